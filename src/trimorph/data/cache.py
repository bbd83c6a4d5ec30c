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

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path

Precision = Literal["float16", "float32"]
_TYPES: dict[Precision, torch.dtype] = {"float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True, eq=False)
class HalfPlaneCache:
    """Half planes of all images, divided by ``scale``: row i holds image i, sorted by radius.

    ``values`` lie in memory or are mapped from ``path``.
    """

    values: Float[Tensor, "i n 2"]
    scale: float
    path: Path | None = None

    def read(self, rows: Int[Tensor, " b"], count: int) -> Complex[Tensor, "b m"]:
        """The first ``count`` pixels of some images: no more is read."""
        prefix = self.values[:, :count]
        if self.path is None:
            picked = prefix.index_select(0, rows).float()
        else:
            order = torch.argsort(rows)
            picked = torch.empty(len(rows), count, 2)
            picked[order] = prefix.index_select(0, rows[order]).float()
        return torch.view_as_complex(picked.mul_(self.scale))


def cache_bytes(images: int, pixels: int, precision: Precision) -> int:
    """Bytes that the half planes take."""
    return images * pixels * 2 * _TYPES[precision].itemsize


def cache_in_memory(
    blocks: Iterable[Complex[Tensor, "b n"]], *, images: int, pixels: int, scale: float, precision: Precision
) -> HalfPlaneCache:
    """Take all images, which come in blocks and in order, into memory."""
    values = torch.empty(images, pixels, 2, dtype=_TYPES[precision])
    start = 0
    for block in _packed(blocks, scale, precision):
        values[start : start + len(block)] = block
        start += len(block)
    return HalfPlaneCache(values, scale)


def cache_in_file(
    path: Path,
    blocks: Iterable[Complex[Tensor, "b n"]],
    *,
    images: int,
    pixels: int,
    scale: float,
    precision: Precision,
) -> HalfPlaneCache:
    """Write all images, which come in blocks and in order, to a file that appears when it is whole.

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
        for block in _packed(blocks, scale, precision):
            file.write(block.numpy().data)
    return open_cache(path, images=images, pixels=pixels, scale=scale, precision=precision)


def open_cache(path: Path, *, images: int, pixels: int, scale: float, precision: Precision) -> HalfPlaneCache:
    """Map a file that :func:`cache_in_file` wrote.

    Errors: InputError where it has another size.
    """
    needed, found = cache_bytes(images, pixels, precision), path.stat().st_size
    if found != needed:
        raise InputError(
            f"{path}: found {found} bytes; wanted {needed} of prepared images. Delete the file: it is made "
            "again."
        )
    mapped = np.memmap(path, dtype=precision, mode="c", shape=(images, pixels, 2))
    return HalfPlaneCache(torch.from_numpy(mapped), scale, path)


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


def _packed(
    blocks: Iterable[Complex[Tensor, "b n"]], scale: float, precision: Precision
) -> Iterator[Float[Tensor, "b n 2"]]:
    for block in blocks:
        packed = (torch.view_as_real(block) / scale).to(_TYPES[precision])
        if not bool(packed.isfinite().all()):
            raise InputError(
                "Prepared images: found Fourier values beyond what 16 bits hold. Are there images with "
                "values "
                'far above the rest (hot pixels)? Leave those out, or prepare in precision "float32".'
            )
        yield packed


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
