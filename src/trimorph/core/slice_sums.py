"""Values of slices added to a grid of the half space kx >= 0: the inner loop of back-projection.

Letters: b images, n pixels of the disk, p points, w kernel width, t table entries; (k, j, i) the grid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.compiled import compiled
from trimorph.core.gridding import OVERSAMPLING, TABLE, Gridding

POINTS_A_PASS = {"cpu": 4096}  # what keeps a pass inside the second-level cache of a processor
POINTS_ELSEWHERE = 1 << 20

U = np.uint64


def add_slices(
    sums: Float[Tensor, "k j i 3"],
    values: Float[Tensor, "b n 3"],
    rotation: Float[Tensor, "b 3 3"],
    index: Float[Tensor, "n 2"],
    *,
    gridding: Gridding,
    margin: int,
) -> None:
    """Spread real part, imaginary part and weight of every pixel to the points under the kernel at its place.

    A pixel at ``index`` (kx, ky) lies at OVERSAMPLING R^T (kx, ky, 0); where its x is negative its mate is
    added in its stead, which has the other imaginary part. The grid begins at x = -margin and has the origin
    in the middle of y and z. ``sums`` is added to; with numba several times faster than without.
    """
    axes = (OVERSAMPLING * rotation[:, :2]).to(index)
    kernel = compiled(_adder(gridding.width)) if sums.device.type == "cpu" else None
    if kernel is not None:
        corner = np.array([margin, sums.shape[1] // 2, sums.shape[0] // 2], np.float32) - gridding.width / 2
        arrays = [tensor.contiguous().numpy() for tensor in (axes, index, values, gridding.table().T)]
        kernel(sums.numpy().reshape(-1), sums.shape[1], sums.shape[2], corner.astype(np.float32), *arrays)
        return
    point = (axes.permute(2, 0, 1) @ index.T).flatten(1)
    step = POINTS_A_PASS.get(sums.device.type, POINTS_ELSEWHERE)
    for start in range(0, point.shape[1], step):
        some = slice(start, start + step)
        _spread(sums, values.view(-1, 3)[some].T, point[:, some], gridding=gridding, margin=margin)


def _spread(
    sums: Float[Tensor, "k j i 3"],
    values: Float[Tensor, "3 p"],
    point: Float[Tensor, "3 p"],
    *,
    gridding: Gridding,
    margin: int,
) -> None:
    """Add values at points (x, y, z): one tap of the kernel at a time over all points."""
    layers, rows, columns, _ = sums.shape
    flip = torch.where(point[0] < 0, -1.0, 1.0)
    origin = torch.tensor([margin, rows // 2, layers // 2], device=point.device)
    first, weight = gridding.tabulated(point * flip + origin[:, None])
    x, y, z = weight.unbind(1)
    zy = (z[:, None] * y).flatten(0, 1)
    corner = (first[2] * rows + first[1]) * columns + first[0]
    step = torch.arange(gridding.width, device=point.device)
    tap = ((step[:, None, None] * rows + step[:, None]) * columns + step).flatten()
    place = (corner + tap[:, None]).flatten()
    signed = (values[0], values[1] * flip, values[2])
    for channel, value in zip(sums.view(-1, 3).unbind(1), signed, strict=True):
        channel.scatter_add_(0, place, ((zy * value)[:, None] * x).flatten())


# Whole numbers are unsigned, as a number that might count from an array's end costs the compiler time; it
# unrolls the loops over the kernel, as their length is known to it.


@lru_cache(maxsize=8)
def _adder(width: int) -> Callable[..., None]:
    """The loop over images and pixels for a kernel's width."""
    steps, last = np.float32(TABLE), np.int32(TABLE - 1)

    @no_type_check  # compiled as it stands
    def add(
        sums: NDArray[np.float32],
        rows: int,
        columns: int,
        corner: NDArray[np.float32],
        axes: NDArray[np.float32],
        index: NDArray[np.float32],
        values: NDArray[np.float32],
        table: NDArray[np.float32],
    ) -> None:
        for b in range(axes.shape[0]):
            ax, ay, az = axes[b, 0, 0], axes[b, 0, 1], axes[b, 0, 2]
            bx, by, bz = axes[b, 1, 0], axes[b, 1, 1], axes[b, 1, 2]
            for n in range(index.shape[0]):
                kx, ky = index[n, 0], index[n, 1]
                x, y, z = ax * kx + bx * ky, ay * kx + by * ky, az * kx + bz * ky
                real, imaginary, weight = values[b, n, 0], values[b, n, 1], values[b, n, 2]
                if x < 0:
                    x, y, z, imaginary = -x, -y, -z, -imaginary
                x, y, z = x + corner[0], y + corner[1], z + corner[2]
                left, front, top = np.ceil(x), np.ceil(y), np.ceil(z)
                at_x = min(np.int32((left - x) * steps), last)
                at_y = min(np.int32((front - y) * steps), last)
                at_z = min(np.int32((top - z) * steps), last)
                for k in range(width):
                    for j in range(width):
                        share = table[at_z, k] * table[at_y, j]
                        row = (U(top) + U(k)) * U(rows) + U(front) + U(j)
                        place = (row * U(columns) + U(left)) * U(3)
                        for i in range(width):
                            tap = share * table[at_x, i]
                            sums[place] += tap * real
                            sums[place + U(1)] += tap * imaginary
                            sums[place + U(2)] += tap * weight
                            place += U(3)

    return add
