"""Sums of small outer products on a grid, and the windows of a grid under them: the splat's two kernels.

Letters: b images, g Gaussians, p points of a grid's axis under one Gaussian (a multiple of 4), s side of the
grid. ``first`` is the place s * y + x of a Gaussian's first point, and all its points lie on the grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.compiled import compiled

LANES = 4
"""Points that the compiled kernels take at a time."""

U = np.uint64


def spread(
    first: Int[Tensor, "b g"], row: Float[Tensor, "b g p"], column: Float[Tensor, "b g p"], side: int
) -> Float[Tensor, "b s s"]:
    """Grids with row_i column_j added at the point (i, j) under every Gaussian."""
    grid = row.new_zeros(len(first), side * side)
    if row.device.type == "cpu" and (kernel := compiled(_spread)):
        _on_threads(kernel, side, grid, *_contiguous(first, row, column))
    else:
        for i, place in enumerate(_places(first, row.shape[-1], side)):
            grid.view(-1).scatter_add_(0, place, (row[..., i, None] * column).flatten())
    return grid.view(-1, side, side)


def collect(
    grid: Float[Tensor, "b s s"],
    first: Int[Tensor, "b g"],
    row: Float[Tensor, "b g p"],
    column: Float[Tensor, "b g p"],
) -> tuple[Float[Tensor, "b g p"], Float[Tensor, "b g p"]]:
    """Windows W of the grid under every Gaussian: W column, and row W. The adjoint of :func:`spread`."""
    along_row, along_column = torch.zeros_like(row), torch.zeros_like(column)
    side = grid.shape[-1]
    flat = grid.reshape(len(grid), -1)
    if row.device.type == "cpu" and (kernel := compiled(_collect)):
        _on_threads(kernel, side, flat, first, along_row, along_column, *_contiguous(row, column))
    else:
        for i, place in enumerate(_places(first, row.shape[-1], side)):
            window = flat.view(-1).index_select(0, place).view_as(column)
            along_row[..., i] = (window * column).sum(-1)
            along_column.addcmul_(row[..., i, None], window)
    return along_row, along_column


def _places(first: Int[Tensor, "b g"], points: int, side: int) -> Iterator[Int[Tensor, " bgp"]]:
    """Places on the grids of all images of the first points' row, of the next, and so on."""
    image = torch.arange(len(first), device=first.device)[:, None] * side**2
    place = (first + image)[..., None] + torch.arange(points, device=first.device)
    place = place.flatten()
    for _ in range(points):
        yield place
        place += side


def _contiguous(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.contiguous() for tensor in tensors)


def _on_threads(kernel: Callable[..., None], side: int, *tensors: Tensor) -> None:
    """Run a kernel on the images, shared out between as many threads as torch has."""
    arrays = [tensor.numpy() for tensor in tensors]
    points = arrays[-1].shape[-1]
    cuts = (
        np.linspace(0, len(arrays[0]), min(torch.get_num_threads(), len(arrays[0])) + 1).astype(int).tolist()
    )

    def run(start: int, stop: int) -> None:
        kernel(side, points, *(array[start:stop].reshape(-1) for array in arrays))

    if len(cuts) == 2:
        run(0, len(arrays[0]))
    else:
        with ThreadPoolExecutor(len(cuts) - 1) as pool:
            list(pool.map(run, cuts[:-1], cuts[1:]))


# The kernels that numba compiles. Their whole numbers are unsigned, as a number that might count from an
# array's end keeps the compiler from taking points together; so do loops over the four points.


@no_type_check  # compiled as it stands
def _spread(
    side: int,
    points: int,
    grid: NDArray[np.floating],
    first: NDArray[np.int64],
    row: NDArray[np.floating],
    column: NDArray[np.floating],
) -> None:
    images = grid.size // (side * side)
    for n in range(first.size):
        corner = U(first[n]) + U(n // (first.size // images)) * U(side * side)
        start = U(n) * U(points)
        for j in range(U(0), U(points), U(4)):
            a, b = column[start + j], column[start + j + U(1)]
            c, d = column[start + j + U(2)], column[start + j + U(3)]
            place = corner + j
            for i in range(U(points)):
                weight = row[start + i]
                grid[place] += weight * a
                grid[place + U(1)] += weight * b
                grid[place + U(2)] += weight * c
                grid[place + U(3)] += weight * d
                place += U(side)


@no_type_check
def _collect(
    side: int,
    points: int,
    grid: NDArray[np.floating],
    first: NDArray[np.int64],
    along_row: NDArray[np.floating],
    along_column: NDArray[np.floating],
    row: NDArray[np.floating],
    column: NDArray[np.floating],
) -> None:
    images = grid.size // (side * side)
    for n in range(first.size):
        corner = U(first[n]) + U(n // (first.size // images)) * U(side * side)
        start = U(n) * U(points)
        for j in range(U(0), U(points), U(4)):
            a, b = column[start + j], column[start + j + U(1)]
            c, d = column[start + j + U(2)], column[start + j + U(3)]
            e = f = g = h = a * 0
            place = corner + j
            for i in range(U(points)):
                weight = row[start + i]
                p, q, r, s = grid[place], grid[place + U(1)], grid[place + U(2)], grid[place + U(3)]
                along_row[start + i] += p * a + q * b + r * c + s * d
                e += weight * p
                f += weight * q
                g += weight * r
                h += weight * s
                place += U(side)
            along_column[start + j], along_column[start + j + U(1)] = e, f
            along_column[start + j + U(2)], along_column[start + j + U(3)] = g, h
