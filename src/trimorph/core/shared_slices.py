"""SharedSlices: central slices of a few densities that all images share, at the price of a table look-up.

Letters: k densities, c box of their grid, r rows of the table, b images, n pixels of the disk, p = b n
points, t kernel taps of a point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, pi
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from scipy.sparse import csr_array
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.gridding import OVERSAMPLING, Gridding


@dataclass(frozen=True, eq=False)
class Taps:
    """Rows of the table that each point of a batch of slices is made of, and their weights.

    ``side`` is -1 where a point was taken to its mate at -k, whose imaginary part has the other sign.
    """

    row: Int[Tensor, "p t"]
    kernel: Float[Tensor, "p t"]
    side: Float[Tensor, "b n"]

    def moved(self, start: Int[Tensor, " b"]) -> Taps:
        """The same points in tables that stand one under the other: rows from ``start`` of each image on."""
        return Taps(self.row + start.repeat_interleave(self.side.shape[1])[:, None], self.kernel, self.side)


@dataclass(frozen=True, eq=False)
class SharedSlices:
    """Slices of densities (k, c, c, c) with voxels of ``pixel_size`` Å, up to the end of ``disk``.

    The densities' transforms stand side by side in the rows of one table, oversampled twice, on the half
    space kx >= 0 and no farther than the disk reaches. A slice is a weighted sum of rows for all densities
    at once. :class:`VoxelGrid` gives the same slices of one density, or of another for every image.

    >>> disk = FourierDisk(16, 3.0).limit(radius=4.0)
    >>> point = torch.zeros(1, 12, 12, 12); point[0, 6, 6, 6] = 1.0
    >>> shared = SharedSlices(12, 4.0, disk)
    >>> slices = shared.slices(shared.table(point), shared.taps(torch.eye(3)[None], disk))
    >>> torch.allclose(slices[0, :, 0, 0], torch.tensor((4.0 / 3.0) ** 3), rtol=2e-2)
    True
    """

    box: int
    pixel_size: float
    disk: FourierDisk
    gridding: Gridding = field(default_factory=lambda: Gridding(3))

    def table(self, values: Float[Tensor, "k c c c"]) -> Float[Tensor, "r k2"]:
        """Transforms of the densities, divided by the kernel's own: real and imaginary part of each in a row.

        Three matrix products, one an axis: on grids this small they beat a padded transform.
        """
        axis, half = self._axes
        box, count = self.box, len(values)
        grid = half @ values.movedim(0, -1).to(axis.dtype)  # z y f k
        grid = axis @ grid.view(box, box, -1)  # z g fk
        grid = axis @ grid.view(box, -1)  # h gfk
        return torch.view_as_real(grid.view(-1, count)).flatten(1)

    def taps(self, rotation: Float[Tensor, "b 3 3"], disk: FourierDisk) -> Taps:
        """Where the slices at some rotations lie in the table; ``disk`` is a prefix of this one's."""
        point = disk.plane(rotation) * (OVERSAMPLING * self.box * self.pixel_size)
        side = torch.where(point[..., 0] < 0, -1.0, 1.0)
        point = (point * side[..., None]).flatten(0, 1)
        reach, margin, width = self._reach, self._margin, self.gridding.width
        origin = torch.tensor([margin, reach, reach], device=point.device)
        first, weight = self.gridding.tabulated((point + origin).T)
        step = torch.arange(width, device=point.device)
        _, rows, columns = self._shape
        tap = ((step[:, None, None] * rows + step[:, None]) * columns + step).flatten()
        corner = (first[2] * rows + first[1]) * columns + first[0]
        x, y, z = weight.permute(1, 2, 0)
        kernel = (z[:, :, None, None] * y[:, None, :, None] * x[:, None, None, :]).flatten(1)
        return Taps(corner[:, None] + tap, kernel, side)

    def slices(self, table: Float[Tensor, "r k2"], taps: Taps) -> Float[Tensor, "b n k 2"]:
        """Real and imaginary parts of the slices, on the scale of the disk's images."""
        value = _weighted_rows(table, taps.row, taps.kernel)
        value = value.view(*taps.side.shape, -1, 2) * (self.pixel_size / self.disk.pixel_size) ** 3
        return value * torch.stack([torch.ones_like(taps.side), taps.side], dim=-1)[:, :, None]

    @property
    def rows(self) -> int:
        """Rows of the table, each of 8 bytes a density."""
        z, y, x = self._shape
        return z * y * x

    @property
    def _margin(self) -> int:
        return self.gridding.width // 2 + 1

    @property
    def _shape(self) -> tuple[int, int, int]:
        """Points of the half space along z, y and x."""
        return 2 * self._reach + 1, 2 * self._reach + 1, self._reach + 1 + self._margin

    @cached_property
    def _reach(self) -> int:
        frequency = float(self.disk.radius[-1]) / (self.disk.box * self.disk.pixel_size)
        return ceil(frequency * OVERSAMPLING * self.box * self.pixel_size) + self._margin

    @cached_property
    def _axes(self) -> tuple[Complex[Tensor, "f c"], Complex[Tensor, "h c"]]:
        """Transform along one axis to the table's frequencies: all of them, and the half from -margin on."""
        device = self.disk.device
        place = torch.arange(self.box, dtype=torch.float64, device=device) - self.box // 2
        frequency = torch.arange(-self._reach, self._reach + 1, dtype=torch.float64, device=device)
        angle = -2 * pi / (OVERSAMPLING * self.box) * frequency[:, None] * place
        matrix = torch.polar(torch.ones_like(angle), angle) / self.gridding.taper(self.box, device=device)
        matrix = matrix.to(torch.complex64)
        return matrix, matrix[self._reach - self._margin :]


class _WeightedRows(torch.autograd.Function):
    """out_p = sum_t kernel_pt table[row_pt], and its adjoint; only the table has a gradient."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, row: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(row, kernel)
        ctx.rows = len(table)
        return torch.nn.functional.embedding_bag(row, table, per_sample_weights=kernel, mode="sum")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        row, kernel = ctx.saved_tensors
        return _spread(gradient.contiguous(), row, kernel, ctx.rows), None, None


_weighted_rows: Callable[..., Tensor] = _WeightedRows.apply


def _spread(
    values: Float[Tensor, "p k2"], row: Int[Tensor, "p t"], kernel: Float[Tensor, "p t"], rows: int
) -> Float[Tensor, "r k2"]:
    """Sums over points in every row; on a CPU scipy's sparse product is eight times faster than torch."""
    points, taps = row.shape
    if values.device.type == "cpu":
        edges = np.arange(0, points * taps + 1, taps, dtype=np.int64)
        matrix = csr_array((kernel.flatten().numpy(), row.flatten().numpy(), edges), shape=(points, rows))
        return torch.from_numpy(matrix.T @ values.numpy())
    out = values.new_zeros(rows, values.shape[1])
    for tap in range(taps):
        out.index_add_(0, row[:, tap], values * kernel[:, tap, None])
    return out
