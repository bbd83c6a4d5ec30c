"""Selections of particles: by row numbers, by another star or .cs file, by half set, or the first ones."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.columns import whole_numbers
from trimorph.data.npy import read_npy
from trimorph.data.pickles import read_arrays
from trimorph.data.tables import ParticleTable, TableWarning


def select_particles(
    table: ParticleTable,
    *,
    index: Path | str | None = None,
    subset: Path | str | None = None,
    half: int | None = None,
    first: int | None = None,
    seed: int = 0,
) -> ParticleTable:
    """Keep the particles that fulfil all conditions, in the table's order.

    ``index`` is a file of row numbers of the source file, from 0: .txt, .npy, or .pkl as cryoDRGN writes
    them; a .npy of booleans has one for each row. ``subset`` is a star file, whose image names are looked
    for, or a .cs file, whose uids are. ``half`` is 1 or 2; where the file has no half sets, they are drawn at
    random from ``seed``, always the same. ``first`` keeps that many of what is left.

    Errors: InputError where nothing is left, a row is not there, or the file is of another kind.
    """
    keep = np.ones(len(table), dtype=bool)
    if index is not None:
        keep &= _by_index(table, Path(index))
    if subset is not None:
        keep &= _by_subset(table, Path(subset))
    if half is not None:
        if half not in (1, 2):
            raise InputError(f"{table.source}: found half set {half}; wanted 1 or 2.")
        keep &= half_sets(table, seed=seed) == half
    if first is not None:
        if first < 1:
            raise InputError(
                f"{table.source}: found {first} as the number of particles to keep; wanted at least 1."
            )
        keep &= np.cumsum(keep) <= first
    return table.select(keep)


def half_sets(table: ParticleTable, *, seed: int = 0) -> NDArray[np.int64]:
    """Half set of each particle, 1 or 2: the file's, else drawn from ``seed`` by the row in the source.

    >>> from trimorph.data.tables import make_table
    >>> half_sets(make_table(Path("images.mrcs"), 6, pixel_size=2.0, box=64)).tolist()
    [2, 1, 2, 1, 1, 2]
    """
    if table.half is not None:
        return table.half
    order = np.random.default_rng(seed).permutation(_source_rows(table))
    return (order[table.row] % 2 + 1).astype(np.int64)


def two_halves(table: ParticleTable, *, seed: int = 0) -> NDArray[np.int64]:
    """Half set of each particle, drawn anew where all that were selected are in one.

    Rows of one particle, as a symmetry expansion makes them, are in the same.
    """
    sets = half_sets(table, seed=seed)
    particles, particle = np.unique(table.row, return_inverse=True)
    if len(particles) < 2 or len(np.unique(sets)) > 1:
        return sets
    return (np.random.default_rng([seed, 1]).permutation(len(particles)) % 2 + 1)[particle]


def read_index(path: Path | str) -> NDArray[Any]:
    """Row numbers from 0, or one boolean a row, from a .txt, .npy or .pkl file.

    Errors: OSError; InputError where the file holds something else.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if not path.is_file():
        raise FileNotFoundError(f"{path}: found no such file; wanted a selection. Check the path.")
    if kind == ".pkl":
        found = np.asarray(read_arrays(path))
    elif kind == ".npy":
        found = read_npy(path, wanted="row numbers from 0")
    elif kind == ".txt":
        try:
            tokens = path.read_text().replace(",", " ").split()
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: found bytes that are not text; wanted row numbers.") from error
        found = whole_numbers(tokens, source=path, column="index")
    else:
        raise InputError(
            f'{path}: found the ending "{path.suffix}"; wanted row numbers as .txt, .npy or .pkl.'
        )
    if found.ndim != 1 or found.dtype.kind not in "iub":
        raise InputError(
            f"{path}: found values of type {found.dtype} and shape {found.shape}; wanted a list of row "
            "numbers from 0."
        )
    return found


def particle_keys(path: Path) -> set[Hashable]:
    """What tells the particles of a selection apart: row numbers, image names of a star file, uids of a .cs.

    Errors: FileNotFoundError; InputError where a file holds something else.
    """
    if path.suffix.lower() == ".star":
        return set(_star_file_keys(path))
    if path.suffix.lower() == ".cs":
        return set(_cs_uids(_load_cs(path), path).tolist())
    index = read_index(path)
    return set((np.flatnonzero(index) if index.dtype == bool else index).tolist())


def _by_index(table: ParticleTable, path: Path) -> NDArray[np.bool_]:
    index = read_index(path)
    rows = _source_rows(table)
    if index.dtype == bool:
        if len(index) != rows:
            raise InputError(
                f"{path}: found {len(index)} booleans; wanted one for each of {rows} rows of {table.source}."
            )
        index = np.flatnonzero(index)
    outside = index[(index < 0) | (index >= rows)]
    if outside.size:
        raise InputError(
            f"{path}: found row {outside[0]} (from 0); wanted numbers from 0 to {rows - 1}, the rows of "
            f"{table.source}. Was it made for another file?"
        )
    return np.isin(table.row, index)


def _source_rows(table: ParticleTable) -> int:
    """Number of rows in the file that the table came from."""
    source = table.columns
    if source.star is not None and source.particles is not None:
        return len(source.star[source.particles])
    return int(table.row.max()) + 1 if source.cs is None else len(source.cs)


def _by_subset(table: ParticleTable, path: Path) -> NDArray[np.bool_]:
    kind = path.suffix.lower()
    known: Sequence[object]
    wanted: Set[object]
    if kind == ".star" and table.columns.star is not None:
        known, wanted, what = _star_keys(table), _star_file_keys(path), "image names"
    elif kind == ".cs" and table.columns.cs is not None:
        known, wanted, what = *_uids(table, path), "uids"
    else:
        raise InputError(
            f"{path}: found a subset that cannot be matched to {table.source}; wanted a file of the same "
            "kind (star by image name, .cs by uid). Pass row numbers with --index."
        )
    keep = np.fromiter((key in wanted for key in known), dtype=bool, count=len(known))
    if not keep.any():
        raise InputError(
            f"{path}: found none of its {len(wanted)} {what} in {table.source} (the first is "
            f"{next(iter(wanted), None)}); wanted a subset of that file."
        )
    absent = len(wanted) - int(keep.sum())
    if absent > 0:
        warnings.warn(
            f"{path}: {absent} of {len(wanted)} {what} are not in {table.source}.", TableWarning, stacklevel=2
        )
    return keep


def _star_keys(table: ParticleTable) -> list[tuple[int, str]]:
    from trimorph.data.star import image_keys
    from trimorph.data.star_rows import join_optics

    keys = list(zip(*image_keys(join_optics(table.source, dict(table.columns.star or {}))), strict=True))
    return [(int(keys[row][0]), keys[row][1]) for row in table.row]


def _star_file_keys(path: Path) -> set[tuple[int, str]]:
    from trimorph.data.star import image_keys
    from trimorph.data.star_blocks import read_blocks
    from trimorph.data.star_rows import join_optics

    number, stack = image_keys(join_optics(path, read_blocks(path)))
    return {(int(image), name) for image, name in zip(number, stack, strict=True)}


def _uids(table: ParticleTable, path: Path) -> tuple[list[object], set[object]]:
    rows = table.columns.cs
    assert rows is not None  # so chosen
    known = _cs_uids(rows, table.source)
    return known[table.row].tolist(), set(_cs_uids(_load_cs(path), path).tolist())


def _cs_uids(rows: NDArray[Any], source: Path) -> NDArray[Any]:
    if "uid" not in (rows.dtype.names or ()):
        raise InputError(f"{source}: found no field uid; wanted it to match particles. Export them again.")
    return rows["uid"]


def _load_cs(path: Path) -> NDArray[Any]:
    from trimorph.data.cs_rows import load_cs

    return load_cs(path)
