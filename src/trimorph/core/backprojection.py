"""BackProjector: from images with known poses to the density that explains them.

Letters: b images, n pixels of the disk.
"""

from __future__ import annotations

from math import ceil

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from trimorph.core.density_solver import STEPS, FourierSums, solve_density
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.gridding import OVERSAMPLING, Gridding
from trimorph.core.slice_sums import add_slices

PROJECTION_GRIDDING = Gridding(2)
"""The kernel that sums are gathered with unless another is given."""


class BackProjector:
    """Sums over images on a Fourier grid oversampled twice, and the density solved from them.

    For images y = c V(R^T k) + noise of variance 1 / precision it gathers, by the kernel's adjoint,

        numerator = sum precision c y,    weight = sum precision c^2,

    on the half space kx >= 0 (a point at kx < 0 is conjugated to -k). With width 2, r the disk's radius in
    Fourier pixels: 12 (4 r + 5)^2 (2 r + 5) bytes, so 15, 109 and 837 MB for full disks of 64, 128, 256 px.

    >>> from trimorph.core.rotations import random_rotations
    >>> from trimorph.core.voxel_grid import VoxelGrid
    >>> point = torch.zeros(1, 16, 16, 16); point[0, 8, 8, 9] = 1.0
    >>> rotation = random_rotations(200, generator=torch.Generator().manual_seed(0)).float()
    >>> disk, one = FourierDisk(16, 3.0), torch.ones(1, 1)
    >>> projector = BackProjector(disk)
    >>> projector.insert(VoxelGrid(point, 3.0).project(rotation, disk), rotation, transfer=one, precision=one)
    >>> int(projector.solve().argmax()) == int(point.argmax())
    True
    """

    def __init__(self, disk: FourierDisk, *, gridding: Gridding | None = None) -> None:
        self.gridding = gridding or PROJECTION_GRIDDING
        self.box, device = disk.box, disk.device
        self.radius = float(disk.radius[-1])
        self._margin = self.gridding.width // 2 + 1
        self._reach = ceil(OVERSAMPLING * self.radius) + self._margin
        self._shape = (2 * self._reach + 1, 2 * self._reach + 1, self._reach + 1 + self._margin)
        self._sums = torch.zeros(*self._shape, 3, device=device)
        # in raster order the neighbours of a pass share cache lines, sorted by radius they do not
        self._order = torch.argsort(disk.place)
        self._index = disk.index[self._order].float()
        self._mate = 0.5 * disk.weight[self._order]  # pixels on kx = 0 come with their mates

    @property
    def device(self) -> torch.device:
        """Where the sums are."""
        return self._sums.device

    def insert(
        self,
        image: Complex[Tensor, "b n"],
        rotation: Float[Tensor, "b 3 3"],
        *,
        transfer: Float[Tensor, "#b #n"],
        precision: Float[Tensor, "#b #n"],
    ) -> None:
        """Add images: ``transfer`` is what multiplied their slices, ``precision`` is 1 / noise power."""
        shape, order = image.shape, self._order
        transfer = transfer.expand(shape)[:, order]
        weight = precision.expand(shape)[:, order] * transfer * self._mate
        value = torch.view_as_real(image[:, order])
        values = torch.stack([value[..., 0] * weight, value[..., 1] * weight, transfer * weight], dim=-1)
        add_slices(self._sums, values, rotation, self._index, gridding=self.gridding, margin=self._margin)

    def __add__(self, other: BackProjector) -> BackProjector:
        """The projector of both sets of images."""
        if (other.box, other._shape) != (self.box, self._shape):
            raise InputError(
                f"BackProjector: found boxes {self.box} and {other.box} with limits {self.radius:.1f} and "
                f"{other.radius:.1f} Fourier pixels; wanted the same in both sums."
            )
        total = object.__new__(BackProjector)
        total.__dict__.update(self.__dict__, _sums=self._sums + other._sums)
        return total

    def solve(self, ssnr: Float[Tensor, " s"] | None = None, *, steps: int = STEPS) -> Float[Tensor, "d d d"]:
        """The density on the scale of the images, as :func:`solve_density` finds it.

        ``ssnr`` is the prior's signal-to-noise ratio on shells 0 to ``box // 2``; None: least squares.
        """
        return solve_density(self.sums(), gridding=self.gridding, ssnr=ssnr, steps=steps)

    def sums(self) -> FourierSums:
        """The sums as ``rfftn`` lays out a grid of twice the box, zero beyond the disk's radius."""
        edge, reach = self._margin, min(self._reach, self.box - 1)
        sums = self._sums.permute(3, 0, 1, 2)
        folded = sums[..., edge:].clone(memory_format=torch.contiguous_format)
        # what was spread to kx < 0 belongs to the mates, whose imaginary part has the other sign
        mates = sums[..., : edge + 1].flip(1, 2, 3)
        folded[..., : edge + 1] += torch.tensor([1.0, -1.0, 1.0]).to(mates)[:, None, None, None] * mates
        size, middle = OVERSAMPLING * self.box, slice(self._reach - reach, self._reach + reach + 1)
        axis = torch.arange(-reach, reach + 1, device=folded.device)
        last = axis[reach:] ** 2
        radius = ((axis[:, None, None] ** 2 + axis[:, None] ** 2 + last).sqrt()) / OVERSAMPLING
        kept = radius < min(self.radius + 0.5 * self.gridding.width, self.box / 2)
        folded = folded[:, middle, middle, : reach + 1] * kept
        grid = folded.new_zeros(3, size, size, size // 2 + 1)
        grid[:, (axis % size)[:, None], axis % size, : reach + 1] = folded
        return FourierSums(torch.complex(grid[0], grid[1]), grid[2])
