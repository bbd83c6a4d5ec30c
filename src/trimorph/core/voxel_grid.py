"""VoxelGrid: densities on a grid, sliced in Fourier space."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.gridding import OVERSAMPLING, Gridding
from trimorph.core.volume import AbstractVolume


@dataclass(frozen=True, eq=False)
class VoxelGrid(AbstractVolume):
    """One density, or one an image, as voxels [z, y, x] of ``pixel_size`` Å.

    Slices are interpolated on a twice oversampled transform with the kernel's taper divided out before:
    a kernel of width 6 agrees with the exact Fourier sum to 9e-6, the default of 4 to 7e-4.
    Beyond the grid's own Nyquist frequency slices are zero.
    """

    values: Float[Tensor, "v d d d"]
    pixel_size: float
    gridding: Gridding = field(default_factory=Gridding)

    def project(self, rotation: Float[Tensor, "b 3 3"], disk: FourierDisk) -> Complex[Tensor, "b n"]:
        """Central slices; ``v`` must be 1 or the number of images."""
        box = self.values.shape[-1]
        frequency = disk.plane(rotation)
        point = frequency * (OVERSAMPLING * box * self.pixel_size)
        inside = (frequency.abs() * self.pixel_size <= 0.5 + 1e-6).all(-1)
        point = torch.where(inside[..., None], point, 0.0)
        if len(self.values) == 1:
            slices = self.gridding.interpolate(self.transform, point.flatten(0, 1)[None])
            slices = slices.view(len(rotation), -1)
        else:
            slices = self.gridding.interpolate(self.transform, point)
        return slices * inside * (self.pixel_size / disk.pixel_size) ** 3

    def voxels(self, box: int, pixel_size: float) -> Float[Tensor, "v box box box"]:
        """The voxels, resampled by Fourier padding and cropping where box or pixel size differ."""
        return resample(self.values, self.pixel_size, box=box, pixel_size=pixel_size)

    @cached_property
    def transform(self) -> Complex[Tensor, "v m m m"]:
        """Oversampled, centred transform of the tapered voxels, continued by the kernel's half width."""
        box = self.values.shape[-1]
        taper = self.gridding.taper(box, device=self.values.device)
        tapered = self.values / (taper[:, None, None] * taper[:, None] * taper)
        size = OVERSAMPLING * box
        before = size // 2 - box // 2
        after = size - box - before
        padded = torch.nn.functional.pad(tapered, (before, after) * 3)
        axes = (-3, -2, -1)
        grid = torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(padded, dim=axes), dim=axes), dim=axes)
        margin = self.gridding.width // 2 + 1
        for axis in axes:
            length = grid.shape[axis]
            grid = torch.cat(
                [grid.narrow(axis, length - margin, margin), grid, grid.narrow(axis, 0, margin)], axis
            )
        return grid


def resample(
    values: Float[Tensor, "*v d d d"], from_pixel_size: float, *, box: int, pixel_size: float
) -> Float[Tensor, "*v box box box"]:
    """Densities on another grid: the exact trigonometric interpolation, separable along the axes.

    Frequencies beyond the coarser of the two Nyquist limits are dropped, and a frequency that is exactly the
    new limit counts half; outside the old grid the density is zero. Density values, not sums, are kept.

    >>> resample(torch.ones(2, 2, 2), 1.0, box=4, pixel_size=1.0)[1, 1].tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    old = values.shape[-1]
    if (old, from_pixel_size) == (box, pixel_size):
        return values
    dtype = torch.float64
    x_old = (torch.arange(old, dtype=dtype) - old // 2) * from_pixel_size
    x_new = (torch.arange(box, dtype=dtype) - box // 2) * pixel_size
    frequency = torch.fft.fftfreq(old, dtype=dtype)
    limit = 0.5 * from_pixel_size / pixel_size
    keep = torch.where((frequency.abs() - limit).abs() < 1e-9, 0.5, (frequency.abs() < limit).to(dtype))
    keep = torch.where(frequency.abs() < 0.5 - 1e-9, keep, float(limit > 0.5 - 1e-9))
    phase = 2 * torch.pi * (x_new[:, None, None] - x_old[:, None]) / from_pixel_size * frequency
    matrix = (torch.cos(phase) * keep).sum(-1) / old
    place = x_new / from_pixel_size + old // 2
    covered = (place >= -0.5 - 1e-6) & (place < old - 0.5 - 1e-6)
    matrix = (matrix * covered[:, None]).to(values)
    for _ in range(3):  # the last axis comes out first: after three turns the order is as it was
        values = torch.movedim(values @ matrix.T, -1, -3)
    return values


def values_at(
    values: Float[Tensor, "d d d"], position: Float[Tensor, "p 3"], *, pixel_size: float
) -> Float[Tensor, " p"]:
    """Values between voxels at positions (x, y, z) in Å, trilinear; zero outside the box.

    >>> cube = torch.arange(27.0).view(3, 3, 3)
    >>> values_at(cube, torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, -2.0]]), pixel_size=2.0)
    tensor([13.0000,  4.5000])
    """
    box = len(values)
    index = position / pixel_size + box // 2
    grid = (2 * index / (box - 1) - 1).view(1, 1, 1, -1, 3)
    found = torch.nn.functional.grid_sample(values[None, None], grid, align_corners=True)
    return found.flatten()
