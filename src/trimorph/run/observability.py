"""Observability: whether the view of a particle can show what the latents of a run say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.data.atomic import atomic_path
from trimorph.data.open import open_particles
from trimorph.data.orientations import view_directions
from trimorph.methods.base import Method, Problem
from trimorph.methods.poses import at_refined_poses
from trimorph.run.components import principal_components
from trimorph.run.motion_cloud import CloudMotion
from trimorph.run.motion_latents import ends_along
from trimorph.run.new_folder import new_folder
from trimorph.run.observability_figure import draw_observability
from trimorph.run.observability_information import fisher_information, latent_gain
from trimorph.run.provenance import check_unchanged
from trimorph.run.run import Run
from trimorph.training.images import Images
from trimorph.training.latents import Latents

UNOBSERVABLE = 0.5
"""Share below which a view is called unobservable: the image alone would give the latent with a larger error
than the spread of all latents, so that most of what is said of it is the prior."""

BATCH = 64


@dataclass(frozen=True, eq=False)
class Observability:
    """What each particle's view can say of its latent along the first principal component ``axis`` (d,).

    ``particle`` is the number among those in use; ``share`` how much of the latents' variance ``prior``
    along the axis the image takes away: prior / (prior + sd^2), with ``sd`` the error with which the image
    alone would give the latent (infinite where it shows nothing); ``encoder_sd`` what the encoder says of its
    own error; ``place`` the latent along the axis, from the mean; ``view`` (n, 3) the direction along which
    the image is taken.
    """

    particle: Int[ndarray, " n"]
    share: Float[ndarray, " n"]
    encoder_sd: Float[ndarray, " n"]
    place: Float[ndarray, " n"]
    view: Float[ndarray, "n 3"]
    axis: Float[ndarray, " d"]
    prior: float

    def __len__(self) -> int:
        return len(self.particle)

    @property
    def sd(self) -> Float[ndarray, " n"]:
        """Error of the latent from the image alone."""
        with np.errstate(divide="ignore"):
            return np.sqrt(self.prior * (1 - self.share) / self.share)

    @property
    def unobservable(self) -> Bool[ndarray, " n"]:
        """Views that show too little."""
        return self.share < UNOBSERVABLE


def write_observability(
    run: Path | str,
    *,
    output: Path | None = None,
    count: int | None = None,
    epoch: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Observability, Path]:
    """Write observability.csv and observability.png to a new folder, by default analysis/observability.

    ``count`` takes so many particles, evenly spread over the data, instead of all. It works for every method
    with latents. Errors: InputError for a run without latents, or whose input files have changed;
    FileExistsError.
    """
    opened = Run.open(run)
    method, latents = opened.method(epoch), _latents(opened, epoch)
    if count is not None and count < 1:
        raise InputError(f"Found {count} particles; wanted at least 1. Leave --count out to take all.")
    check_unchanged(opened.path / "provenance.json")
    images = open_particles(opened.recipe.data)
    found = observability(
        method, images, latents, problem=opened.problem(epoch), count=count, progress=progress
    )
    target = (output or opened.path / "analysis" / "observability").absolute()
    with new_folder(target, holds="observability") as folder:
        _write_table(folder / "observability.csv", found)
        draw_observability(
            folder / "observability.png", found, threshold=UNOBSERVABLE, motion=_motion_axis(method, latents)
        )
    return found, target


def observability(
    method: Method,
    images: Images,
    latents: Latents,
    *,
    problem: Problem,
    count: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Observability:
    """What the views of particles can say of their latents; see :class:`Observability`.

    The prior is the spread of all latents, the covariance of the posteriors' means plus the mean of their
    covariances. Noise is that before the window, as neighbouring frequencies depend on each other after it.
    """
    mean, covariance = latents.mean.astype(np.float64), latents.covariance.astype(np.float64)
    axis = principal_components(mean)[0]
    spread = np.cov(mean.T, ddof=0).reshape(len(axis), -1) + covariance.mean(0)
    variance, vectors = np.linalg.eigh(spread)
    root = (vectors * np.sqrt(variance.clip(0))).T
    if not axis @ spread @ axis > 0:
        raise InputError("Found latents that are all alike; wanted some that differ. Has the run collapsed?")
    directions = torch.as_tensor(root, dtype=torch.float32)
    unit = torch.as_tensor(axis, dtype=torch.float32)
    rows = np.arange(len(mean))
    if count is not None and count < len(rows):
        rows = np.unique(np.linspace(0, len(rows) - 1, count).astype(np.int64))
    disk = method.disk.limit(resolution=method.stages[-1].resolution)
    shares, views = [], []
    for batch in images.batches(rows, BATCH, limit=disk):
        batch = at_refined_poses(method, batch)
        information = fisher_information(
            method.decode,
            batch,
            z=torch.as_tensor(latents.mean[batch.index.numpy()], dtype=torch.float32),
            directions=directions,
            power=method.noise.at(batch.disk, batch.group) / problem.window_share,
        )
        shares.append(latent_gain(information, directions, unit).numpy())
        views.append(view_directions(batch.rotation.double().numpy()))
        if progress is not None:
            progress(sum(map(len, shares)), len(rows))
    return Observability(
        particle=latents.index[rows],
        share=np.concatenate(shares).clip(0, 1),
        encoder_sd=np.sqrt(np.einsum("i,nij,j->n", axis, covariance[rows], axis).clip(0)),
        place=(mean[rows] - mean.mean(0)) @ axis,
        view=np.concatenate(views),
        axis=axis,
        prior=float(axis @ spread @ axis),
    )


def _latents(run: Run, epoch: int | None) -> Latents:
    if run.method(epoch).latent_dim == 0:
        raise InputError(
            f"{run.path}: found a run of latent dimension 0; wanted one with latents, of which views could "
            "say something. Train with --latent-dim 1 or more."
        )
    return run.latents(epoch)


@torch.no_grad()
def _motion_axis(method: Method, latents: Latents) -> Float[ndarray, " 3"] | None:
    """The direction in space along which most density moves, where density is Gaussians that move."""
    first = principal_components(latents.mean.astype(np.float64))[:1]
    ends = ends_along(latents, first * (latents.mean @ first[0]).std(), np.ones(1))
    if not isinstance(method.decode(torch.as_tensor(ends, dtype=torch.float32)), Gaussians):
        return None
    motion = CloudMotion.between(method, ends)
    if motion.rms() < 1e-3:
        return None
    moved = motion.displacement * np.sqrt(motion.weight)[:, None]
    return np.asarray(np.linalg.svd(moved, full_matrices=False)[2][0])


def _write_table(path: Path, found: Observability) -> None:
    header = "particle,sd,share,unobservable,encoder_sd,latent"
    numbers = (found.particle, found.sd, found.share, found.unobservable, found.encoder_sd, found.place)
    form = ["%d", "%.6g", "%.6f", "%d", "%.6g", "%.6g"]
    with atomic_path(path) as temporary:
        table = np.column_stack(numbers)
        np.savetxt(temporary, table, fmt=form, delimiter=",", header=header, comments="")
