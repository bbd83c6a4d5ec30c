"""A column of the file that particles came from, by the name that it has there."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.tables import ParticleTable


def source_column(
    table: ParticleTable, name: str, *, wanted_for: str, others: Sequence[str] = (), instead: str = ""
) -> NDArray[Any]:
    """One value for each particle of the table, as the file has it: texts of a star file, numbers of a .cs.

    Errors: InputError where there is no such column; it names the nearest and all, also ``others`` that are
    known beside the file's, and what will do ``instead``.
    """
    rows, known = _rows(table)
    if name not in known:
        near = get_close_matches(name, [*others, *known], n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        listed = ", ".join([*others, *known]) or "none: the file has no columns"
        raise InputError(
            f'{table.source}: found no column "{name}" for {wanted_for}; wanted one of {listed}{instead}.'
            f"{hint}"
        )
    return np.asarray(rows[name])[table.row]


def source_columns(table: ParticleTable) -> list[str]:
    """Names of all columns of the file; none of a file of images alone."""
    return _rows(table)[1]


def _rows(table: ParticleTable) -> tuple[Any, list[str]]:
    source = table.columns
    if source.star is not None and source.particles is not None:
        rows = source.star[source.particles]
        return rows, [str(name) for name in rows]
    if source.cs is not None:
        return source.cs, list(source.cs.dtype.names or ())
    return {}, []
