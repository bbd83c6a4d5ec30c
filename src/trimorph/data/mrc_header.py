"""The 1024 bytes that open an MRC file: shape, number type, axis order, voxel size and origin."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

from trimorph.core.errors import InputError

LENGTH = 1024
MODES: dict[int, str] = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED = {3: "complex integers", 4: "complex numbers (a transform)", 101: "4-bit integers"}


@dataclass(frozen=True)
class MrcHeader:
    """What a reader needs of a header.

    ``shape`` is (sections, rows, columns) as stored; ``axes`` says which of x = 1, y = 2, z = 3 columns,
    rows and sections run along. ``voxel_size`` (x, y, z) is in Å, 0 where the file does not say; ``origin``
    (x, y, z) in Å is the place of the first voxel: the origin field, or nstart times the voxel size where
    that field is zero. ``offset`` is where the numbers begin, in bytes.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    axes: tuple[int, int, int]
    voxel_size: tuple[float, float, float]
    origin: tuple[float, float, float]
    offset: int

    @property
    def size(self) -> int:
        """Bytes that the whole file takes."""
        return self.offset + self.image_size * self.shape[0]

    @property
    def image_size(self) -> int:
        """Bytes of one section."""
        return self.shape[1] * self.shape[2] * self.dtype.itemsize


def parse_header(raw: bytes, path: Path) -> MrcHeader:
    """Read a header in either byte order; an absent or wrong machine stamp is forgiven.

    Errors: InputError where the bytes cannot open an MRC file of real numbers.
    """
    if len(raw) < LENGTH:
        raise InputError(
            f"{path}: found {len(raw)} bytes; wanted an MRC file, whose header alone has {LENGTH}. "
            "The file is truncated or not MRC: copy it again."
        )
    order: Literal["<", ">"] | None = _byte_order(raw)
    if order is None:
        raise InputError(
            f"{path}: found a header whose dimensions and mode make no sense in either byte order; wanted "
            "an MRC file (.mrc, .mrcs, .map). Is it another format?"
        )
    header = _fields(raw, order)
    mode = int(header["mode"])
    if mode in _REFUSED:
        raise InputError(
            f"{path}: found MRC mode {mode}, {_REFUSED[mode]}; wanted mode {', '.join(map(str, MODES))}. "
            "Convert it to mode 2 (32-bit numbers)."
        )
    offset = LENGTH + int(header["nsymbt"])
    axes = _axes(header, path)
    voxel_size = _voxel_size(header)
    return MrcHeader(
        shape=(int(header["nz"]), int(header["ny"]), int(header["nx"])),
        dtype=np.dtype(order + MODES[mode]),
        axes=axes,
        voxel_size=voxel_size,
        origin=_origin(header, axes, voxel_size),
        offset=offset,
    )


def build_header(
    shape: tuple[int, int, int],
    *,
    pixel_size: float,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    stack: bool,
    statistics: tuple[float, float, float, float] = (0.0, -1.0, -2.0, -1.0),
) -> bytes:
    """Bytes of a header for 32-bit numbers (MRC2014, little endian) of shape (sections, rows, columns).

    ``statistics`` are minimum, maximum, mean and standard deviation; the default says: not determined.
    """
    header = np.zeros((), dtype=HEADER_DTYPE)
    sections, rows, columns = shape
    header["nx"], header["ny"], header["nz"] = columns, rows, sections
    header["mode"] = 2
    header["mx"], header["my"], header["mz"] = columns, rows, 1 if stack else sections
    header["cella"] = (columns * pixel_size, rows * pixel_size, (1 if stack else sections) * pixel_size)
    header["cellb"] = (90.0, 90.0, 90.0)
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["dmin"], header["dmax"], header["dmean"], header["rms"] = statistics
    header["ispg"] = 0 if stack else 1
    header["nversion"] = 20141
    header["origin"] = origin
    header["map"] = b"MAP "
    header["machst"] = (0x44, 0x44, 0, 0)
    header["nlabl"] = 1
    header["label"][0] = b"written by trimorph"
    return header.tobytes()


def _fields(raw: bytes, order: Literal["<", ">"]) -> Any:
    return np.frombuffer(raw[:LENGTH], dtype=HEADER_DTYPE.newbyteorder(order))[0]


def _byte_order(raw: bytes) -> Literal["<", ">"] | None:
    """The byte order that the machine stamp says, where the header makes sense in it, else the other."""
    orders: tuple[Literal["<", ">"], ...] = (">", "<") if raw[212] == 0x11 else ("<", ">")
    for order in orders:
        header = _fields(raw, order)
        shape = [int(header[name]) for name in ("nx", "ny", "nz")]
        known = int(header["mode"]) in MODES or int(header["mode"]) in _REFUSED
        if known and min(shape) > 0 and max(shape) < 2**27 and int(header["nsymbt"]) >= 0:
            return order
    return None


def _axes(header: Any, path: Path) -> tuple[int, int, int]:
    axes = (int(header["mapc"]), int(header["mapr"]), int(header["maps"]))
    if axes == (0, 0, 0):
        return (1, 2, 3)
    if sorted(axes) != [1, 2, 3]:
        raise InputError(
            f"{path}: found the axis order {axes} in the header (mapc, mapr, maps); wanted each of 1, 2, 3 "
            "once. The header is damaged: write the file again with the program that made it."
        )
    return axes


def _voxel_size(header: Any) -> tuple[float, float, float]:
    def one(axis: str) -> float:
        cell, count = float(header["cella"][axis]), int(header["m" + axis])
        return cell / count if count > 0 and isfinite(cell) and cell > 0 else 0.0

    return (one("x"), one("y"), one("z"))


def _origin(
    header: Any, axes: tuple[int, int, int], voxel_size: tuple[float, float, float]
) -> tuple[float, float, float]:
    given = tuple(float(header["origin"][axis]) for axis in "xyz")
    if any(given) and all(map(isfinite, given)):
        return (given[0], given[1], given[2])
    start = [int(header[name]) for name in ("nxstart", "nystart", "nzstart")]
    x, y, z = (start[axes.index(axis)] * voxel_size[axis - 1] for axis in (1, 2, 3))
    return (x, y, z)
