"""A second run of a recipe from a structure that is bent: what of the motion does not depend on the start.

Letters: n particles, g residues, m waves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.template import Template
from trimorph.methods.structure_method import StructureMethod
from trimorph.run.components import principal_components
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run

WAVES, LENGTH = 48, 1.0
"""Waves of a random displacement, and how long they are: 2 pi LENGTH radii of gyration, and longer."""

MOST, TAIL = 500, 0.15
"""Particles that are compared; share of them at each end of the first run's latents."""


@dataclass(frozen=True, eq=False)
class Perturbed:
    """What two runs from different structures say of the same particles.

    ``start`` is the RMSD in Å of the second start from the first, and ``left`` what is left of it between the
    means over particles. ``angle`` in degrees is that between the motions from the particles at one end of
    the first run's latents to those at the other, over all residues; ``motion`` is the root mean square of
    that of the first and of the second run in Å. ``correlation`` (g,) is that of the displacements of each
    residue from its mean over the particles.
    """

    start: float
    left: float
    angle: float
    motion: tuple[float, float]
    correlation: Float[ndarray, " g"]
    offset: Float[ndarray, " g"]

    @property
    def lines(self) -> tuple[str, ...]:
        """What is to be said of it."""
        first = (
            f"from a start that was {self.start:.2f} Å rms off, {self.left:.2f} Å are left in the mean over "
            f"particles ({100 * self.left / max(self.start, 1e-9):.0f} %)"
        )
        moved = (
            f"its motion of the same particles is {self.motion[1]:.1f} Å rms, {self.motion[0]:.1f} Å before"
        )
        known = self.correlation[np.isfinite(self.correlation)]
        if not len(known):
            return first, f"{moved}: one of both finds none"
        return first, (
            f"{moved}, at {self.angle:.0f} degrees to it; displacements correlate by {np.median(known):.2f} "
            "in the median residue"
        )

    def rows(self, names: list[str]) -> list[dict[str, Any]]:
        """A row a residue, as :func:`write_table` takes them."""
        return [
            {"residue": name, "correlation": self.correlation[i], "left": self.offset[i]}
            for i, name in enumerate(names)
        ]


def perturbed_recipe(run: Run, path: Path, *, rmsd: float, seed: int) -> Recipe:
    """The run's recipe from a structure that is bent at random, which is written to a path.

    Errors: InputError for a run that did not start from a file of a structure, or an RMSD that is not
    positive.
    """
    source = run.recipe.start.structure
    if source is None:
        raise InputError(f"{run.path}: found no structure that the run started from; wanted one to perturb.")
    if not rmsd > 0:
        raise InputError(f"Found a perturbation of {rmsd:g} Å; wanted more than 0.")
    if not path.exists():
        template = Template.read(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        template.write(path, [template.position + bend(template.position, rmsd=rmsd, seed=seed)])
    start = replace(run.recipe.start, structure=path)
    return replace(run.recipe, start=start).resolved()


def bend(position: Float[ndarray, "n 3"], *, rmsd: float, seed: int) -> Float[ndarray, "n 3"]:
    """A random smooth displacement of points in Å, with this root mean square and no rigid motion in it.

    u(x) = sum_m a_m cos(k_m x + p_m) with normal a and k, whose standard deviation is one over LENGTH radii
    of gyration: neighbours move alike. What a small turn and a shift of all make of it is taken out.

    >>> place = np.random.default_rng(0).normal(size=(200, 3)) * 20
    >>> moved = bend(place, rmsd=2.0, seed=1)
    >>> round(float(np.sqrt((moved**2).sum(1).mean())), 6), bool(np.abs(moved.mean(0)).max() < 1e-9)
    (2.0, True)
    """
    generator = np.random.default_rng([seed, 9])
    arm = position - position.mean(0)
    length = LENGTH * float(np.sqrt((arm**2).sum(1).mean()))
    wave = generator.normal(size=(WAVES, 3)) / length
    phase = generator.uniform(0, 2 * np.pi, WAVES)
    moved = np.cos(arm @ wave.T + phase) @ generator.normal(size=(WAVES, 3))
    turns = [np.cross(axis, arm) for axis in np.eye(3)]
    shifts = [np.broadcast_to(axis, arm.shape) for axis in np.eye(3)]
    rigid = np.stack([part.ravel() for part in (*turns, *shifts)], axis=1)
    moved = moved - (rigid @ np.linalg.lstsq(rigid, moved.ravel(), rcond=None)[0]).reshape(moved.shape)
    return np.asarray(rmsd / np.sqrt((moved**2).sum(1).mean()) * moved)


def compare_perturbed(run: Run, other: Run, *, epoch: int | None) -> Perturbed:
    """What a run and one from a perturbed structure say of the same particles."""
    latents = run.latents(epoch).mean.astype(np.float64)
    along = (latents - latents.mean(0)) @ principal_components(latents)[0]
    order = np.argsort(along, kind="stable")
    rows = order[np.unique(np.linspace(0, len(order) - 1, MOST).astype(np.int64))]
    first, second = _places(run, rows, epoch), _places(other, rows, None)
    count = max(1, round(TAIL * len(rows)))
    motions = [(place[-count:].mean(0) - place[:count].mean(0)).ravel() for place in (first, second)]
    norms = [float(np.linalg.norm(motion)) for motion in motions]
    cosine = float(motions[0] @ motions[1]) / max(norms[0] * norms[1], 1e-12)
    away = [place - place.mean(0) for place in (first, second)]
    shared = (away[0] * away[1]).sum((0, 2))
    spread = np.sqrt((away[0] ** 2).sum((0, 2)) * (away[1] ** 2).sum((0, 2)))
    offset = np.linalg.norm(second.mean(0) - first.mean(0), axis=-1)
    starts = [_start(one) for one in (run, other)]
    residues = first.shape[1]
    return Perturbed(
        start=float(np.sqrt(((starts[1] - starts[0]) ** 2).sum(-1).mean())),
        left=float(np.sqrt((offset**2).mean())),
        angle=float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
        motion=(norms[0] / residues**0.5, norms[1] / residues**0.5),
        correlation=np.where(spread > 1e-9, shared / np.maximum(spread, 1e-9), np.nan),
        offset=offset,
    )


def _places(run: Run, rows: ndarray, epoch: int | None) -> Float[ndarray, "n g 3"]:
    """Where the residues of some particles are, in Å."""
    method = run.method(epoch)
    assert isinstance(method, StructureMethod)  # as both are of one recipe
    z = torch.as_tensor(run.latents(epoch).mean[rows], dtype=torch.float32)
    with torch.no_grad():
        return method.residue_motion(z).place(method.position).double().numpy()


def _start(run: Run) -> Float[ndarray, "g 3"]:
    """Where the residues of a run's structure were before training, in Å."""
    points = run.problem().points
    assert points is not None  # as the method moves a structure
    return points[:, :3].double().numpy()
