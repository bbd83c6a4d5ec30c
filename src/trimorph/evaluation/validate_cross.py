"""Models of two half sets, each shown the images of the other and images in which nothing differs.

Letters: n particles, d latent components, p pixels of the disk, c states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import stats
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation, resolution_at
from trimorph.core.imaging import render_batch
from trimorph.core.losses import whitened_likelihood
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.data.open import open_particles
from trimorph.data.orientations import view_directions
from trimorph.data.particles import ParticleStack
from trimorph.data.preparer import window_radii
from trimorph.data.preprocess import Preparation
from trimorph.evaluation.shuffles import view_bins
from trimorph.evaluation.validate_images import white_noise
from trimorph.methods.base import Method
from trimorph.methods.poses import at_refined_poses
from trimorph.reconstruction.mean_map import mean_map
from trimorph.run.clusters import kmeans
from trimorph.run.run import Run

MOST, AT_ONCE, STATES = 1000, 64, 4
"""Particles of a half set that are encoded by both models, images a batch, states that are compared."""


@dataclass(frozen=True, eq=False)
class State:
    """A cluster of particles of one half set, and how alike both models' maps of it are.

    ``difference`` is the mean FSC of how the two maps differ from their means, over the shells of the test;
    ``resolution`` in Å is where the maps themselves fall below 0.5.
    """

    particles: int
    difference: float
    resolution: float


@dataclass(frozen=True, eq=False)
class Crossed:
    """A model of one half set shown particles of the other, which it has not seen.

    ``gain`` in nats an image is log p(image | the model at its latent) - log p(image | mean map of the other
    half set); ``shuffled`` the same at latents of other particles of the same view; ``redrawn`` that of
    images redrawn from the mean map; each with its standard error. ``p`` is that of the gain against redrawn
    images. ``link`` is the first canonical correlation of what both models say of the same images, and
    ``redrawn_link`` that for redrawn images, whose noise both see, too.
    """

    gain: float
    gain_error: float
    shuffled: float
    redrawn: float
    redrawn_error: float
    p: float
    link: float
    redrawn_link: float
    latents: tuple[Float[ndarray, " n"], Float[ndarray, " n"]]
    states: tuple[State, ...]


def cross(
    run: Run,
    halves: tuple[Run, Run],
    half: Int[ndarray, " n"],
    *,
    epoch: int | None,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Crossed, Crossed]:
    """Show each half set's model the particles of the other, one copy of each in a symmetry."""
    stack = open_particles(run.recipe.data)
    own = np.unique(stack.table.row, return_index=True)[1]
    once = np.isin(np.arange(len(stack)), own)
    whole = run.method(epoch)
    found = []
    for side in (0, 1):
        rows = np.flatnonzero((half == 1 - side) & once)
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, MOST).astype(np.int64))]
        found.append(_crossed(stack, whole, (halves[side], halves[1 - side]), rows, seed=seed + side))
        if progress is not None:
            progress(side + 1, 2)
    return found[0], found[1]


@dataclass(frozen=True, eq=False)
class _Look:
    """Some images through both models: latents, and what the first model's densities explain of them."""

    first: Float[ndarray, "n d"]
    second: Float[ndarray, "n e"]
    gain: Float[ndarray, " n"]
    shuffled: Float[ndarray, " n"]


def _crossed(
    stack: ParticleStack, whole: Method, models: tuple[Run, Run], rows: Int[ndarray, " n"], *, seed: int
) -> Crossed:
    """The first model on particles of the second's half set."""
    mean = _mean(models[1])
    generator = torch.Generator().manual_seed(seed)
    redraw = Redraw(stack, mean)

    def batches(*, drawn: bool) -> Iterator[Batch]:
        for batch in stack.batches(rows, AT_ONCE):
            posed = at_refined_poses(whole, batch)
            yield redraw(posed, generator) if drawn else posed

    rotation = torch.cat([batch.rotation for batch in batches(drawn=False)]).double().numpy()
    order = _within(view_bins(view_directions(rotation)), seed)
    methods = models[0].method(), models[1].method()
    seen = _look(batches(drawn=False), methods, mean, order=order, share=stack.window_share)
    null = _look(batches(drawn=True), methods, mean, order=order, share=stack.window_share)
    count = len(rows) ** 0.5
    link, pair = canonical(seen.first, seen.second)
    return Crossed(
        gain=float(seen.gain.mean()),
        gain_error=float(seen.gain.std() / count),
        shuffled=float(seen.shuffled.mean()),
        redrawn=float(null.gain.mean()),
        redrawn_error=float(null.gain.std() / count),
        p=float(stats.ttest_ind(seen.gain, null.gain, equal_var=False, alternative="greater").pvalue),
        link=link,
        redrawn_link=canonical(null.first, null.second)[0],
        latents=pair,
        states=_states(models, seen),
    )


def _look(
    batches: Iterator[Batch],
    methods: tuple[Method, Method],
    mean: Float[Tensor, "d d d"],
    *,
    order: Int[ndarray, " n"],
    share: float,
) -> _Look:
    method, other = methods
    disk = method.disk.limit(resolution=method.stages[-1].resolution)
    seen = [_grouped(batch, method) for batch in batches]
    first, second = encoded(method, seen), encoded(other, seen)
    with torch.no_grad():
        gains = []
        for z in (first, first[torch.from_numpy(order)]):
            parts, start = [], 0
            for batch in seen:
                parts.append(_gain(method, batch.limit(disk), z[start : start + len(batch)], mean))
                start += len(batch)
            gains.append((share * torch.cat(parts)).double().numpy())
    return _Look(first.double().numpy(), second.double().numpy(), *gains)


@torch.no_grad()
def encoded(method: Method, batches: Iterable[Batch]) -> Float[Tensor, "n d"]:
    """Latents that a model tells of images, at the resolution to which it was trained."""
    disk = method.disk.limit(resolution=method.stages[-1].resolution)
    found = [method.encode(_grouped(batch, method).limit(disk)).mean.float() for batch in batches]
    return torch.cat(found)


def _gain(method: Method, batch: Batch, z: Tensor, mean: Tensor) -> Float[Tensor, " b"]:
    """Log-likelihood of the images at latents, less that at the mean map."""
    power, disk = method.noise.at(batch.disk, batch.group), batch.disk
    volumes = (VoxelGrid(mean[None], disk.pixel_size), method.decode(z))
    worse, better = (
        whitened_likelihood(render_batch(volume, batch), batch.image, power=power, disk=disk)
        for volume in volumes
    )
    return worse - better


class Redraw:
    """Images of a mean map in place of a batch's own, with noise of the measured power, windowed alike."""

    def __init__(self, stack: ParticleStack, mean: Float[Tensor, "d d d"]) -> None:
        self.noise, self.share, self.disk = stack.noise, stack.window_share, stack.disk
        self.grid = VoxelGrid(mean[None], stack.pixel_size)
        side = stack.box * stack.pixel_size
        inner, outer = window_radii(side, stack.radius)
        windowed = Preparation(stack.box, stack.pixel_size, stack.disk, stack.radius, inner, outer)
        self.window = windowed.windows(torch.zeros(1, 2)) if stack.window_share < 1 else torch.ones(1, 1, 1)

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The batch with other images."""
        power = self.noise.at(batch.disk, batch.group) / self.share
        noise = power.sqrt() * white_noise(len(batch), batch.disk, generator)
        image = batch.disk.inverse(render_batch(self.grid, batch) + noise) * self.window
        return replace(batch, image=batch.disk.transform(image))


def canonical(
    first: Float[ndarray, "n d"], second: Float[ndarray, "n e"]
) -> tuple[float, tuple[Float[ndarray, " n"], Float[ndarray, " n"]]]:
    """The first canonical correlation of two sets of latents, and the two combinations that have it.

    >>> z = np.random.default_rng(0).standard_normal((200, 2))
    >>> round(canonical(z, z @ np.array([[2.0, 1.0], [0.0, 1.0]]))[0], 6)
    1.0
    """
    bases = [np.linalg.svd(z - z.mean(0), full_matrices=False)[0] for z in (first, second)]
    left, size, right = np.linalg.svd(bases[0].T @ bases[1])
    scale = len(first) ** 0.5
    return float(min(size[0], 1.0)), (scale * bases[0] @ left[:, 0], scale * bases[1] @ right[0])


def _states(models: tuple[Run, Run], seen: _Look) -> tuple[State, ...]:
    """Clusters of the second model's latents of its own particles, as maps of both models."""
    try:
        label, centre = kmeans(seen.second, STATES)
    except InputError:
        return ()  # latents that are all alike have no states
    own = models[1].volume(seen.second[centre])
    inside = [seen.first[label == number] for number in range(len(centre))]
    middle = np.stack([z[((z - z.mean(0)) ** 2).sum(1).argmin()] for z in inside])
    other = models[0].volume(middle, box=own.shape[-1], pixel_size=models[1].problem().pixel_size)
    size = np.bincount(label, minlength=len(centre))
    maps = [torch.as_tensor(both) for both in (other, own)]
    share = torch.as_tensor(size / size.sum(), dtype=maps[0].dtype)
    change = [both - torch.einsum("v,vzyx->zyx", share, both) for both in maps]
    problem = models[1].problem()
    last = max(2, int(problem.box * problem.pixel_size * 6 / (2 * problem.radius)))
    curves = fourier_shell_correlation(*maps)
    differences = fourier_shell_correlation(*change)[:, 1 : last + 1].mean(1)
    return tuple(
        State(
            int(number),
            float(difference),
            resolution_at(curve, 0.5, box=problem.box, pixel_size=problem.pixel_size),
        )
        for number, difference, curve in zip(size, differences, curves, strict=True)
    )


def _mean(run: Run) -> Float[Tensor, "d d d"]:
    """The mean map of a run's particles, on the scale of its images."""
    known = run.problem().mean
    return known if known is not None else torch.as_tensor(mean_map(open_particles(run.recipe.data)).map)


def _grouped(batch: Batch, method: Method) -> Batch:
    """The batch with the noise groups that the method knows: small half sets have one for all."""
    return replace(batch, group=batch.group.clamp(max=len(method.noise.power) - 1))


def _within(bins: Int[ndarray, " n"], seed: int) -> Int[ndarray, " n"]:
    """A random order in which every particle takes the place of one of its own bin."""
    order = np.argsort(bins, kind="stable")
    shuffled = np.lexsort((np.random.default_rng([seed, 13]).random(len(bins)), bins))
    found = np.empty(len(bins), dtype=np.int64)
    found[order] = shuffled
    return found
