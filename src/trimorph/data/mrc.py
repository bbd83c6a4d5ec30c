"""MRC files: maps whole, image stacks by memory map."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.data.mrc_header import LENGTH, MrcHeader, build_header, parse_header

_GZIP = b"\x1f\x8b"


class Map(NamedTuple):
    """A density [z, y, x], its voxel size in Å, and where voxel (0, 0, 0) lies: (x, y, z) in Å."""

    values: NDArray[np.float32]
    pixel_size: float
    origin: tuple[float, float, float]


@dataclass(frozen=True)
class MrcStack:
    """Images of one MRC file, which stay on disk until they are read.

    ``shape`` is (images, rows, columns); ``pixel_size`` in Å is the header's, None where it says nothing.
    """

    path: Path
    header: MrcHeader

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, rows, columns."""
        return self.header.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number type on disk, with its byte order."""
        return self.header.dtype

    @property
    def pixel_size(self) -> float | None:
        """Pixel size in Å by the header."""
        return self.header.voxel_size[0] or None

    def memmap(self) -> NDArray[Any]:
        """The pixels as they lie on disk, mapped into memory."""
        return np.memmap(self.path, self.dtype, "r", self.header.offset, self.shape)

    def read(self, slices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some of the images, in the order asked, as 32-bit numbers."""
        return np.asarray(self.memmap()[slices], dtype=np.float32)


def read_header(path: Path) -> MrcHeader:
    """Header of an MRC file, which may be compressed by gzip.

    Errors: FileNotFoundError; InputError where it is not MRC.
    """
    path = existing(path)
    with path.open("rb") as file:
        raw = file.read(LENGTH)
    return parse_header(_gunzip(path)[:LENGTH] if raw.startswith(_GZIP) else raw, path)


def open_stack(path: Path) -> MrcStack:
    """Open a stack of images without reading them.

    Errors: InputError where it is not MRC, compressed, truncated, or not stored image by image.
    """
    path = existing(path)
    with path.open("rb") as file:
        raw = file.read(LENGTH)
        size = file.seek(0, 2)
    if raw.startswith(_GZIP):
        raise InputError(
            f"{path}: found a stack compressed by gzip; wanted a plain one, of which single images can be "
            "read. Run gunzip on it."
        )
    header = parse_header(raw, path)
    if header.axes != (1, 2, 3):
        raise InputError(
            f"{path}: found the axis order {header.axes}; wanted (1, 2, 3), images one after another. "
            "This is a map, not a stack of images."
        )
    if size < header.size:
        whole = max(0, size - header.offset) // header.image_size
        raise InputError(
            f"{path}: found {size} bytes, which hold {whole} whole images; wanted {header.size} bytes for "
            f"the {header.shape[0]} images that the header announces. The stack is truncated: copy it again."
        )
    return MrcStack(path, header)


def read_map(path: Path, *, pixel_size: float | None = None) -> Map:
    """Read a density with its axes put in the order [z, y, x].

    ``pixel_size`` in Å replaces what the header says. The origin is carried along in Å.
    Errors: InputError where the file is truncated, has no voxel size, has voxels that are not cubes, or
    values that are not finite.
    """
    path = existing(path)
    header, values = _read_values(path)
    if pixel_size is None:
        pixel_size = _cubic(header, path)
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise InputError(
            f"{path}: found {count} voxels that are NaN or infinite; wanted finite densities. "
            "Write the map again without them."
        )
    return Map(values, pixel_size, header.origin)


def write_map(
    path: Path,
    values: NDArray[Any],
    pixel_size: float,
    *,
    origin: tuple[float, float, float] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a density [z, y, x] in mode 2, whole or not at all.

    ``origin`` (x, y, z) in Å is where voxel (0, 0, 0) lies, by default at zero as in RELION's maps.
    Errors: FileExistsError unless ``overwrite``.
    """
    data = np.ascontiguousarray(values, dtype="<f4")
    sections, rows, columns = data.shape
    wide = data.astype(np.float64)
    header = build_header(
        (sections, rows, columns),
        pixel_size=pixel_size,
        origin=origin or (0.0, 0.0, 0.0),
        stack=False,
        statistics=(float(wide.min()), float(wide.max()), float(wide.mean()), float(wide.std())),
    )
    with atomic_path(Path(path), overwrite=overwrite) as temporary, temporary.open("wb") as file:
        file.write(header)
        file.write(data.data)


class StackWriter:
    """Takes the images of a stack in order, as many at a time as one likes."""

    def __init__(self, file: BinaryIO, *, count: int, box: int) -> None:
        self._file, self._count, self._box, self._written = file, count, box, 0

    @property
    def written(self) -> int:
        """Images taken so far."""
        return self._written

    def write(self, images: NDArray[Any]) -> None:
        """Append images (b, box, box)."""
        if images.shape[1:] != (self._box, self._box) or self._written + len(images) > self._count:
            raise ValueError(
                f"StackWriter: found images of shape {images.shape} after {self._written} others; wanted "
                f"{self._count} in all, of {self._box} x {self._box} pixels."
            )
        self._file.write(np.ascontiguousarray(images, dtype="<f4").data)
        self._written += len(images)


@contextmanager
def stack_writer(
    path: Path, *, count: int, box: int, pixel_size: float, overwrite: bool = False
) -> Iterator[StackWriter]:
    """Write ``count`` images piece by piece; the file appears when all are there.

    Errors: FileExistsError unless ``overwrite``; ValueError where fewer than ``count`` images came.
    """
    with atomic_path(Path(path), overwrite=overwrite) as temporary, temporary.open("wb") as file:
        file.write(build_header((count, box, box), pixel_size=pixel_size, stack=True))
        writer = StackWriter(file, count=count, box=box)
        yield writer
        if writer.written != count:
            raise ValueError(f"{path}: found {writer.written} images; wanted {count}.")


def write_stack(path: Path, images: NDArray[Any], pixel_size: float, *, overwrite: bool = False) -> None:
    """Write images (n, box, box) in mode 2, whole or not at all.

    Errors: FileExistsError unless ``overwrite``.
    """
    with stack_writer(
        path, count=len(images), box=images.shape[-1], pixel_size=pixel_size, overwrite=overwrite
    ) as writer:
        writer.write(images)


def existing(path: Path) -> Path:
    """The path, where a file lies there.   Errors: FileNotFoundError, IsADirectoryError."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: found a folder; wanted an MRC file. Name the file in it.")
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: found no such file; wanted an MRC file. Check the name and the folder."
        )
    return path


def _read_values(path: Path) -> tuple[MrcHeader, NDArray[np.float32]]:
    """All numbers of a file, axes in the order [z, y, x]."""
    raw = path.read_bytes()
    if raw.startswith(_GZIP):
        raw = _gunzip(path)
    header = parse_header(raw, path)
    if len(raw) < header.size:
        raise InputError(
            f"{path}: found {len(raw)} bytes; wanted {header.size} for the {header.shape} numbers that the "
            "header announces. The map is truncated: copy it again."
        )
    count = header.shape[0] * header.shape[1] * header.shape[2]
    stored = np.frombuffer(raw, header.dtype, count, header.offset).reshape(header.shape)
    axis_of = header.axes[::-1]
    ordered = stored.transpose(axis_of.index(3), axis_of.index(2), axis_of.index(1))
    return header, np.ascontiguousarray(ordered, dtype=np.float32)


def _cubic(header: MrcHeader, path: Path) -> float:
    x, y, z = header.voxel_size
    if min(x, y, z) <= 0:
        raise InputError(
            f"{path}: found no voxel size in the header; wanted one in Å. Pass the pixel size yourself."
        )
    if max(x, y, z) - min(x, y, z) > 1e-3 * max(x, y, z):
        raise InputError(
            f"{path}: found voxels of {x:.4f} x {y:.4f} x {z:.4f} Å; wanted cubes. Resample the map on a "
            "cubic grid, or pass one pixel size to take the voxels as cubes."
        )
    return x


def _gunzip(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: found a damaged gzip file ({error}); wanted a whole one. Copy it again."
        ) from error
