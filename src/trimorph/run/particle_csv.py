"""A table of particles as comma-separated values, a row a particle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.symmetry import symmetry_order
from trimorph.data.atomic import atomic_path


def write_particle_csv(
    path: Path,
    index: Int[ndarray, " n"],
    columns: dict[str, Float[ndarray, " n"]],
    *,
    symmetry: str,
    overwrite: bool = False,
) -> None:
    """Write the number of each particle, and what is named of it.

    Particles that were expanded by a symmetry have a row for each copy, next to each other, with the copy's
    number. Errors: FileExistsError.
    """
    order = symmetry_order(symmetry)
    copy, which = (index % order, index // order) if order > 1 else (None, index)
    header = ["particle", *([] if copy is None else ["copy"]), *columns]
    numbers = [which] if copy is None else [which, copy]
    rows = np.column_stack([*numbers, *columns.values()])
    form = ["%d"] * len(numbers) + ["%.6g"] * len(columns)
    with atomic_path(path, overwrite=overwrite) as temporary:
        np.savetxt(temporary, rows, fmt=form, delimiter=",", header=",".join(header), comments="")
