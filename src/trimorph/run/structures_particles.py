"""Particles: the motion of every segment in every particle, and distances between groups of residues.

Letters: n particles, s segments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.symmetry import symmetry_order
from trimorph.data.atomic import atomic_path
from trimorph.run.structures_distances import Distance
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_screws import Screws
from trimorph.run.structures_tables import xyz_names
from trimorph.training.latents import Latents

AT_ONCE = 4096
"""Particles whose segments are moved in one step."""


def write_particles(
    path: Path,
    index: Int[ndarray, " n"],
    chunks: Iterable[Screws],
    *,
    segments: int,
    symmetry: str,
) -> Float[ndarray, "n s"]:
    """Write a row a particle and segment, chunk by chunk; return the turns about the main axes (degrees).

    Particles that were expanded by a symmetry have a row for each copy, with the copy's number.
    """
    order = symmetry_order(symmetry)
    copies = ["copy"] if order > 1 else []
    names = ["turn", "angle", *xyz_names("axis"), "shift", *xyz_names("shift"), "occupancy"]
    turns, done = [], 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(",".join(["particle", *copies, "segment", *names]) + "\n")
        for screws in chunks:
            own = index[done : done + len(screws)]
            labels = [own // order, *([own % order] if copies else [])]
            columns = [np.repeat(label, segments) for label in labels]
            columns.append(np.tile(np.arange(1, segments + 1), len(screws)))
            values = [
                screws.turn[..., None], screws.angle[..., None], screws.axis,
                np.linalg.norm(screws.shift, axis=-1, keepdims=True), screws.shift,
                screws.occupancy[..., None],
            ]  # fmt: skip
            flat = np.concatenate(values, axis=-1).reshape(-1, len(names)) + 0.0
            form = ["%d"] * len(columns) + ["%.5g"] * len(names)
            np.savetxt(file, np.column_stack([*columns, flat]), fmt=form, delimiter=",")
            turns.append(screws.turn)
            done += len(screws)
    return np.concatenate(turns)


def particle_screws(
    structure: MovingStructure,
    latents: Latents,
    main: Float[ndarray, "s 3"],
    *,
    tell: Callable[[int], None],
) -> Iterable[Screws]:
    """Motions of segments at the latents of all particles; ``tell`` is told how many are done."""
    for first in range(0, len(latents), AT_ONCE):
        z = latents.mean[first : first + AT_ONCE]
        yield Screws.of(structure.segment_motion(z), main, middle=structure.middle)
        tell(len(z))


def particle_distances(
    structure: MovingStructure, latents: Latents, groups: list[Distance], *, tell: Callable[[int], None]
) -> dict[str, Float[ndarray, " n"]]:
    """Distances (Å) in all particles by their names; ``tell`` is told how many are done."""
    found: dict[str, list[ndarray]] = {group.name: [] for group in groups}
    for rows in structure.chunks(len(latents)) if groups else []:
        moved = structure.move_backbone(latents.mean[rows])
        for group in groups:
            found[group.name].append(group.of(moved))
        tell(len(moved))
    return {name: np.concatenate(parts) for name, parts in found.items()}
