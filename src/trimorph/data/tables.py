"""ParticleTable: one row an image, in canonical units, with the source rows kept for write-back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimorph.core.ctf import CTF, CTF_PARAMETERS
from trimorph.core.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame


class TableWarning(UserWarning):
    """What a reader assumed, or left out, and the user should know. Said once a file."""


@dataclass(frozen=True, eq=False)
class SourceColumns:
    """The untouched source: all blocks of a star file as strings, or the rows of a .cs file.

    ``particles`` is the name of the star block that holds one row an image, ``groups`` the number that each
    optics group of the table has in the source. All are empty for tables that were not read from such a file.
    """

    star: Mapping[str, DataFrame | dict[str, str]] | None = None
    particles: str | None = None
    cs: NDArray[Any] | None = None
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class ParticleTable:
    """Particle images and all that is known of each, one row an image.

    Units and signs are those of :mod:`trimorph.core.conventions`. ``stack`` says which of ``stacks`` holds
    the image and ``slice`` which image of it, from 0. Pixels times ``sign`` make protein bright.
    ``rotation``, ``shift`` (Å; x, y) and ``ctf`` are None where the source has none. ``group`` counts optics
    groups from 0, ``half`` is 1 or 2, ``row`` is the row in the source, from 0, and ``columns`` the source
    itself. Where particles were expanded by a symmetry, ``copy`` numbers the rows of each from 0.
    """

    source: Path
    stacks: tuple[Path, ...]
    stack: NDArray[np.int64]
    slice: NDArray[np.int64]
    sign: NDArray[np.float64]
    pixel_size: NDArray[np.float64]
    box: NDArray[np.int64]
    rotation: NDArray[np.float64] | None
    shift: NDArray[np.float64] | None
    ctf: CTF | None
    group: NDArray[np.int64]
    half: NDArray[np.int64] | None
    micrograph: NDArray[Any] | None
    row: NDArray[np.int64]
    columns: SourceColumns = field(default_factory=SourceColumns)
    copy: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.slice)
        lengths = {name: len(value) for name, value in self._rows().items()}
        wrong = {name: length for name, length in lengths.items() if length != count}
        if wrong:
            raise InputError(f"{self.source}: {count} images, but found {wrong} rows; wanted one an image.")

    def __len__(self) -> int:
        return len(self.slice)

    def select(self, index: ArrayLike) -> ParticleTable:
        """Return some of the rows, in the order given: row numbers from 0, or one boolean a row.

        Errors: InputError where nothing is selected or a number is beyond the table.
        """
        chosen = self._chosen(np.atleast_1d(np.asarray(index)))
        rows: dict[str, Any] = {name: value[chosen] for name, value in self._rows().items()}
        return replace(self, **rows)

    def _rows(self) -> dict[str, Any]:
        """The fields that hold one entry an image, as far as they are there."""
        whole = ("source", "stacks", "columns")
        named = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in whole}
        return {name: value for name, value in named.items() if value is not None}

    def _chosen(self, index: NDArray[Any]) -> NDArray[np.int64]:
        if index.dtype == bool and index.shape == (len(self),):
            index = np.flatnonzero(index)
        if index.size == 0:
            raise InputError(
                f"{self.source}: the selection is empty; wanted some of {len(self)} particles. Widen the "
                "selection."
            )
        if index.ndim != 1 or index.dtype.kind not in "iu":
            raise InputError(
                f"{self.source}: found a selection of shape {index.shape} and type {index.dtype}; wanted a "
                f"list of row numbers, or one boolean for each of {len(self)} particles."
            )
        outside = index[(index < 0) | (index >= len(self))]
        if outside.size:
            raise InputError(
                f"{self.source}: the selection asks for row {outside[0]} (from 0); wanted numbers from 0 to "
                f"{len(self) - 1}. Was it made for another file?"
            )
        return index.astype(np.int64)


def make_table(
    stack: Path,
    count: int,
    *,
    pixel_size: float,
    box: int,
    rotation: NDArray[np.float64] | None = None,
    shift: NDArray[np.float64] | None = None,
    ctf: CTF | None = None,
    half: NDArray[np.int64] | None = None,
    group: NDArray[np.int64] | None = None,
) -> ParticleTable:
    """Table of all ``count`` images of one stack that trimorph made itself, as in a simulation.

    Poses without shifts get shifts of zero; CTF parameters may be numbers or one value an image.

    >>> table = make_table(Path("images.mrcs"), 3, pixel_size=2.0, box=64)
    >>> len(table), len(table.select([0, 2])), table.ctf is None
    (3, 2, True)
    """
    if rotation is not None and shift is None:
        shift = np.zeros((count, 2))
    return ParticleTable(
        source=stack,
        stacks=(stack,),
        stack=np.zeros(count, dtype=np.int64),
        slice=np.arange(count, dtype=np.int64),
        sign=np.ones(count),
        pixel_size=np.full(count, float(pixel_size)),
        box=np.full(count, box, dtype=np.int64),
        rotation=None if rotation is None else np.asarray(rotation, dtype=np.float64),
        shift=None if shift is None else np.asarray(shift, dtype=np.float64),
        ctf=None if ctf is None else spread_ctf(ctf, count),
        group=np.zeros(count, dtype=np.int64) if group is None else np.asarray(group, dtype=np.int64),
        half=None if half is None else np.asarray(half, dtype=np.int64),
        micrograph=None,
        row=np.arange(count, dtype=np.int64),
    )


def spread_ctf(ctf: CTF, count: int) -> CTF:
    """The same parameters as float64 arrays with one value an image.

    >>> spread_ctf(CTF(defocus_u=1e4, defocus_v=1e4), 3).voltage
    array([300., 300., 300.])
    """
    values = {name: np.asarray(getattr(ctf, name), dtype=np.float64) for name in CTF_PARAMETERS}
    return CTF(**{name: np.broadcast_to(value.ravel(), count).copy() for name, value in values.items()})
