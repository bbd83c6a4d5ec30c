"""HalfPlaneCache: prepared images, as half planes in RAM or in one file."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.data.row_file import RowFile

Precision = Literal["float16", "float32"]
_TYPES: dict[Precision, torch.dtype] = {"float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True, eq=False)
class HalfPlaneCache:
    """Half planes of all images, divided by ``scale``: row i holds image i, sorted by radius.

    ``values`` lie in memory or in a file.
    """

    values: Float[Tensor, "i n 2"] | RowFile
    scale: float

    @property
    def readers(self) -> int:
        """Threads that together read as fast as the memory or the disk can."""
        return 2 if isinstance(self.values, RowFile) and self.values.large else 1

    def read(self, rows: Int[Tensor, " b"], count: int) -> Complex[Tensor, "b m"]:
        """The first ``count`` pixels of some images: no more is read."""
        if isinstance(self.values, RowFile):
            picked = self.values.rows(rows, count)
        else:
            picked = self.values[:, :count].index_select(0, rows)
        return torch.view_as_complex(picked.float().mul_(self.scale))


def cache_bytes(images: int, pixels: int, precision: Precision) -> int:
    """Bytes that the half planes take."""
    return images * pixels * 2 * _TYPES[precision].itemsize


def pack(values: Complex[Tensor, "b n"], *, scale: float, precision: Precision) -> Float[Tensor, "b n 2"]:
    """Half planes as the cache holds them.

    Errors: InputError where a value is beyond what the precision holds.
    """
    packed = torch.view_as_real(values) * (1 / scale)
    low, high = packed.aminmax()
    if not max(-float(low), float(high)) < torch.finfo(_TYPES[precision]).max:
        raise InputError(
            "Prepared images: found Fourier values beyond what 16 bits hold. Are there images with values "
            'far above the rest (hot pixels)? Leave those out, or prepare in precision "float32".'
        )
    return packed.to(_TYPES[precision])


def cache_in_memory(
    blocks: Iterable[Float[Tensor, "b n 2"]], *, images: int, pixels: int, scale: float, precision: Precision
) -> HalfPlaneCache:
    """Take all images, which come packed, in blocks and in order, into memory."""
    values = torch.empty(images, pixels, 2, dtype=_TYPES[precision])
    start = 0
    for block in blocks:
        values[start : start + len(block)] = block
        start += len(block)
    return HalfPlaneCache(values, scale)


def cache_in_file(
    path: Path,
    blocks: Iterable[Float[Tensor, "b n 2"]],
    *,
    images: int,
    pixels: int,
    scale: float,
    precision: Precision,
) -> HalfPlaneCache:
    """Write all images, which come packed, in blocks and in order, to a file that appears when it is whole.

    Errors: OSError where the disk has no room, before anything is written or when it fills up.
    """
    needed = cache_bytes(images, pixels, precision)
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise OSError(errno.ENOSPC, _no_room(path, needed, free))
    with (
        _disk_full(path, needed),
        atomic_path(path, overwrite=True) as temporary,
        temporary.open("wb") as file,
    ):
        for block in blocks:
            file.write(block.numpy().data)
    return open_cache(path, images=images, pixels=pixels, scale=scale, precision=precision)


def open_cache(path: Path, *, images: int, pixels: int, scale: float, precision: Precision) -> HalfPlaneCache:
    """Open a file that :func:`cache_in_file` wrote.

    Errors: InputError where it has another size.
    """
    needed, found = cache_bytes(images, pixels, precision), path.stat().st_size
    if found != needed:
        raise InputError(
            f"{path}: found {found} bytes; wanted {needed} of prepared images. Delete the file: it is made "
            "again."
        )
    values = RowFile(
        path,
        shape=(images, pixels, 2),
        dtype=_TYPES[precision],
        large=needed > available_memory() // 2,
    )
    return HalfPlaneCache(values, scale)


def available_memory() -> int:
    """Bytes of memory that are free to use, within the limit of a container where there is one."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    meminfo, cgroup = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    if meminfo.exists():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        limits.append(int(fields["MemAvailable"].split()[0]) * 1024)
    if cgroup.exists() and cgroup.read_text().strip().isdigit():
        limits.append(int(cgroup.read_text()))
    return min(limits)


@contextmanager
def _disk_full(path: Path, needed: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(error.errno, _no_room(path, needed, shutil.disk_usage(path.parent).free)) from error


def _no_room(path: Path, needed: int, free: int) -> str:
    return (
        f"{path.parent}: found {free / 1e9:.2f} GB free; wanted {needed / 1e9:.2f} GB for the prepared "
        "images. Make room, choose another folder, or a smaller box (--box)."
    )
