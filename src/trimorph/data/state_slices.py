"""Slices of all states at one pose: what an image would show if it were of each state in turn."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.gridding import OVERSAMPLING
from trimorph.core.voxel_grid import VoxelGrid


class StateSlices:
    """Slices of ``count`` maps on one grid, gathered together: at one pose all have the same footprint.

    They are those of :meth:`VoxelGrid.project`, to rounding, at a thirtieth of its cost for 50 maps. The
    oversampled transforms are held side by side, :func:`bytes_a_map` each.
    """

    def __init__(self, maps: Iterable[VoxelGrid], count: int) -> None:
        for number, grid in enumerate(maps):
            transform = torch.view_as_real(grid.transform[0])
            if number == 0:
                self._gridding, self._size = grid.gridding, len(transform)
                self._side = grid.values.shape[-1] * grid.pixel_size
                self._table = torch.empty(self._size**3, count, 2)
            self._table[:, number] = transform.flatten(0, 2)

    def __call__(self, rotation: Float[Tensor, "b 3 3"], disk: FourierDisk) -> Complex[Tensor, "b n s"]:
        """Central slices, on a disk with the maps' own box and pixel size."""
        size, width = self._size, self._gridding.width
        point = disk.plane(rotation).flatten(0, 1) * (OVERSAMPLING * self._side) + size // 2
        first, weight = self._gridding.footprint(point)
        start, order = ((first[:, 2] * size + first[:, 1]) * size + first[:, 0]).sort()  # near ones together
        step = torch.arange(width)
        steps = ((step[:, None, None] * size + step[:, None]) * size + step).flatten()
        x, y, z = weight[order].unbind(-2)
        kernel = z[:, :, None, None] * (y[:, None, :, None] * x[:, None, None, :])
        values = torch.nn.functional.embedding_bag(
            start[:, None] + steps, self._table.flatten(1), per_sample_weights=kernel.flatten(1), mode="sum"
        )
        slices = torch.empty_like(values)
        slices[order] = values
        return torch.view_as_complex(slices.view(len(rotation), len(disk), -1, 2))


def bytes_a_map(box: int, width: int) -> int:
    """Memory that :class:`StateSlices` takes for a map of ``box`` voxels a side and a kernel of ``width``."""
    return int(8 * (OVERSAMPLING * box + 2 * (width // 2 + 1)) ** 3)
