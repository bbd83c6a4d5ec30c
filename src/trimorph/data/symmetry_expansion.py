"""Symmetry expansion: each particle once for every rotation that leaves the symmetric object unchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trimorph.core.errors import InputError
from trimorph.core.symmetry import symmetry_order, symmetry_rotations
from trimorph.data.tables import ParticleTable


def expand_by_symmetry(table: ParticleTable, group: str) -> ParticleTable:
    """Table in which the rotation R of each row is followed by R S_k for the other rotations of the group.

    In the row of copy k the k-th asymmetric unit of the image stands where the first stands in the model.
    Copies of a particle lie next to each other and share image, shift, CTF, half set and source row; ``copy``
    says which is which, from 0. C1 changes nothing.

    Errors: InputError where the group is unknown, the table has no poses, or is expanded already.

    >>> from pathlib import Path
    >>> from trimorph.data.tables import make_table
    >>> pose = np.eye(3)[None].repeat(2, 0)
    >>> table = make_table(Path("images.mrcs"), 2, pixel_size=2.0, box=64, rotation=pose)
    >>> expanded = expand_by_symmetry(table, "C3")
    >>> expanded.row.tolist(), expanded.copy.tolist()
    ([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2])
    """
    order = symmetry_order(group)
    if order == 1:
        return table
    if table.rotation is None:
        raise InputError(
            f"{table.source}: found no poses; wanted rotations of all particles, to be expanded by the "
            f"symmetry {group}. Use the file of a refinement, or leave --symmetry out."
        )
    if table.copy is not None:
        raise InputError(
            f"{table.source}: found particles that are expanded by a symmetry already; wanted each once."
        )
    rotations = symmetry_rotations(group).numpy()
    copies = table.select(np.repeat(np.arange(len(table)), order))
    return replace(
        copies,
        rotation=(table.rotation[:, None] @ rotations).reshape(-1, 3, 3),
        copy=np.tile(np.arange(order), len(table)),
    )
