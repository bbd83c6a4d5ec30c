"""Columns that are added to what a star or .cs file says of its particles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from trimorph.core.errors import InputError
from trimorph.data.tables import ParticleTable


def with_columns(table: ParticleTable, columns: Mapping[str, NDArray[Any]]) -> ParticleTable:
    """The table with a value of each name for every row, to be written with all that its source holds.

    In a star file ``z1`` becomes the column trimorphZ1, in a .cs file the field trimorph/z1; whole numbers
    stay whole.

    Errors: InputError where the source is of another kind, has such a column already, or particles were
    expanded by a symmetry, as a row of the source then stands for several.
    """
    source = table.columns
    if not columns:
        return table
    if table.copy is not None:
        raise InputError(
            f"{table.source}: found columns to add to particles that a symmetry has expanded; wanted one row "
            "a particle. Leave them out: trimorph latents writes a row for each copy."
        )
    if source.star is not None and source.particles is not None:
        rows = source.star[source.particles]
        assert isinstance(rows, DataFrame)  # so read
        named = {f"trimorph{name[:1].upper()}{name[1:]}": values for name, values in columns.items()}
        _refuse_double(table, list(named), [str(name) for name in rows.columns])
        added = {name: _texts(values, table.row, len(rows)) for name, values in named.items()}
        star = {**source.star, source.particles: rows.assign(**added)}
        return replace(table, columns=replace(source, star=star))
    if source.cs is not None:
        fields = {f"trimorph/{name}": values for name, values in columns.items()}
        _refuse_double(table, list(fields), list(source.cs.dtype.names or ()))
        return replace(table, columns=replace(source, cs=_widened(source.cs, fields, table.row)))
    raise InputError(
        f"{table.source}: found columns to add to a file without any; wanted particles from a star or .cs "
        "file. Leave them out."
    )


def _refuse_double(table: ParticleTable, new: list[str], old: list[str]) -> None:
    double = sorted(set(new) & set(old))
    if double:
        raise InputError(
            f"{table.source}: found a column {double[0]} there already; wanted to add one of that name. Take "
            "the file without it, or leave the added columns out."
        )


def _texts(values: NDArray[Any], row: NDArray[np.int64], count: int) -> list[str]:
    texts = ["0"] * count  # rows that are not in the table are not written
    for place, value in zip(row.tolist(), values.tolist(), strict=True):
        texts[place] = str(value) if isinstance(value, int) else f"{value:.6f}"
    return texts


def _widened(
    rows: NDArray[Any], fields: Mapping[str, NDArray[Any]], place: NDArray[np.int64]
) -> NDArray[Any]:
    kinds = [(name, "<i4" if values.dtype.kind in "iu" else "<f4") for name, values in fields.items()]
    wide = np.zeros(len(rows), dtype=[*rows.dtype.descr, *kinds])
    for name in rows.dtype.names or ():
        wide[name] = rows[name]
    for name, values in fields.items():
        wide[name][place] = values
    return wide
