"""Rows of cryoSPARC's .cs files, with the fields of passthrough files joined on by uid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.columns import LARGEST, missing_column, numbers
from trimorph.data.npy import read_npy

_CSDAT = b"\x95CSDAT"


@dataclass(frozen=True, eq=False)
class CsRows:
    """Fields of all particles by name; ``rows`` are those of the main file, untouched."""

    source: Path
    rows: NDArray[Any]
    fields: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.rows)

    def has(self, *names: str) -> bool:
        """Whether all of these fields are there."""
        return set(names) <= set(self.fields)

    def number(
        self,
        name: str,
        *,
        wanted_for: str,
        width: int | None = None,
        low: float = -LARGEST,
        high: float = LARGEST,
    ) -> NDArray[np.float64]:
        """One checked number a particle, or ``width`` of them.

        Errors: InputError where the field is missing, has another width, or a value is not such a number.
        """
        values = self.raw(name, wanted_for=wanted_for)
        if values.shape[1:] != (() if width is None else (width,)) or values.dtype.kind not in "fiub":
            raise InputError(
                f"{self.source}: field {name}: found type {values.dtype} of shape {values.shape[1:]} a row; "
                f"wanted {width or 1} numbers a row. Export the particles again."
            )
        return numbers(values, source=self.source, column=name, low=low, high=high)

    def raw(self, name: str, *, wanted_for: str) -> NDArray[Any]:
        """A field as it is. Errors: InputError where it is missing."""
        if name not in self.fields:
            near = sorted(self.source.parent.glob("*passthrough*.cs"))
            raise missing_column(
                self.source,
                name,
                found=list(self.fields),
                wanted_for=wanted_for,
                advice="It may be in the job's passthrough file"
                + (f": pass --passthrough {near[0]}." if near else "; pass it with --passthrough."),
            )
        return self.fields[name]

    def text(self, name: str, *, wanted_for: str) -> list[str]:
        """A field of strings. Errors: InputError where it is missing or not text."""
        values = self.raw(name, wanted_for=wanted_for)
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        if values.dtype.kind not in "UO" or values.ndim != 1:
            raise InputError(f"{self.source}: field {name}: found type {values.dtype}; wanted text.")
        return [str(value) for value in values]


def read_cs_rows(path: Path, passthrough: Sequence[Path] = ()) -> CsRows:
    """Read a .cs file and join the fields that passthrough files add.

    Errors: OSError; InputError where a file is not .cs, has no rows, or lacks the uid of a particle.
    """
    rows = load_cs(path)
    if not len(rows):
        raise InputError(f"{path}: found no rows; wanted one for each particle. Was the selection empty?")
    fields = {name: rows[name] for name in _names(rows)}
    for other in passthrough:
        extra = load_cs(other)
        place = match_uids(fields.get("uid"), extra, source=path, other=other)
        fields |= {name: extra[name][place] for name in _names(extra) if name not in fields}
    return CsRows(source=path, rows=rows, fields=fields)


def load_cs(path: Path) -> NDArray[Any]:
    """The rows of one .cs file as a structured array: numpy's format, or CSDAT through cryosparc-tools.

    Errors: OSError; InputError where it is neither.
    """
    with path.open("rb") as file:
        start = file.read(len(_CSDAT))
    if start == _CSDAT:
        return _load_csdat(path)
    rows = read_npy(path, wanted="the rows of a .cs file")
    if rows.dtype.names is None or rows.ndim != 1:
        raise InputError(f"{path}: found no named fields; wanted the rows of a .cs file, one a particle.")
    return rows


def match_uids(
    uid: NDArray[Any] | None, other_rows: NDArray[Any], *, source: Path, other: Path
) -> NDArray[np.int64]:
    """Row in ``other_rows`` of each uid.

    Errors: InputError where uids are missing, occur twice, or are not all in the other file.
    """
    if uid is None or "uid" not in _names(other_rows):
        raise InputError(
            f"{source if uid is None else other}: found no field uid; wanted it, to join {source.name} and "
            f"{other.name}."
        )
    known = other_rows["uid"]
    order = np.argsort(known, kind="stable")
    for name, values in ((source, np.sort(uid)), (other, known[order])):
        twice = values[1:][values[1:] == values[:-1]]
        if twice.size:
            raise InputError(f"{name}: found the uid {twice[0]} twice; wanted each particle once.")
    if not len(known):
        raise InputError(f"{other}: found no rows; wanted those of {source.name}.")
    place = np.minimum(np.searchsorted(known[order], uid), len(known) - 1)
    absent = np.flatnonzero(known[order][place] != uid)
    if absent.size:
        raise InputError(
            f"{source}: row {int(absent[0]) + 1}: found the uid {uid[absent[0]]}, which {other} lacks (as "
            f"{absent.size} of {len(uid)}); wanted all there. Pass the passthrough file of the same job."
        )
    return order[place].astype(np.int64)


def _names(rows: NDArray[Any]) -> tuple[str, ...]:
    return rows.dtype.names or ()


def _load_csdat(path: Path) -> NDArray[Any]:
    try:
        from cryosparc.dataset import Dataset
        from cryosparc.errors import DatasetLoadError
    except ImportError as error:
        raise InputError(
            f"{path}: found the CSDAT format, which needs cryosparc-tools. Run pip install "
            "'trimorph[csdat]', or export the particles from cryoSPARC as .cs."
        ) from error
    try:
        records = Dataset.load(path).to_records(fixed=True)
    except DatasetLoadError as error:
        raise InputError(
            f"{path}: found a CSDAT file that cannot be read ({error.__cause__}); wanted a whole one. Export "
            "the particles again."
        ) from error
    rows: NDArray[Any] = np.asarray(records).view(np.dtype(records.dtype.descr))
    return rows
