"""How many sums of a back-projection are in memory at a time."""

from __future__ import annotations

from math import ceil

import torch

from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.data.cache import available_memory

SHARE = 0.5
"""Of the memory that is free, what sums may take."""

SOLVER = 10
"""Arrays of twice the box that solving for a density needs."""


def pair_bytes(disk: FourierDisk) -> int:
    """Bytes of the sums of two half sets: 24 (4 r + 5)^2 (2 r + 5), r the disk's radius in Fourier pixels.

    >>> pair_bytes(FourierDisk(64, 4.0)) // 10**6
    29
    """
    reach = 2 * float(disk.radius[-1])
    return 24 * ceil(2 * reach + 5) ** 2 * ceil(reach + 5)


def pairs_at_once(disk: FourierDisk, memory: float | None = None) -> int:
    """Pairs of sums that fit into so many GB, by default half of what is free; one at least.

    Errors: InputError for no memory.

    >>> pairs_at_once(FourierDisk(64, 4.0), memory=1.0)
    31
    """
    if memory is not None and not memory > 0:
        raise InputError(f"Found memory of {memory:g} GB for sums; wanted more than 0.")
    free = SHARE * _free(disk.device) if memory is None else 1e9 * memory
    solver = SOLVER * 4 * (2 * disk.box) ** 3
    return max(int((free - solver) / pair_bytes(disk)), 1)


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_memory()
