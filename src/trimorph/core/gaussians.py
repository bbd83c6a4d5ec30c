"""Gaussians: isotropic blobs, the fastest density to project."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.gaussian_cloud import PlaneCloud
from trimorph.core.gaussian_route import fastest
from trimorph.core.gaussian_slices import slices
from trimorph.core.gaussian_voxels import band_limited_voxels
from trimorph.core.volume import AbstractVolume


@dataclass(frozen=True, eq=False)
class Gaussians(AbstractVolume):
    """N Gaussians, the same for all images (v = 1) or one set an image.

    density(x) = sum_n amplitude_n (2 pi width_n^2)^(-3/2) exp(-|x - position_n|^2 / (2 width_n^2)).
    Positions and widths (standard deviations) are in Å; an amplitude is the integral of its blob in Å^3.
    Amplitudes and widths may be one set for all positions.

    >>> one = Gaussians(torch.tensor([[[8.0, 0.0, 0.0]]]), torch.ones(1, 1), torch.full((1, 1), 2.0))
    >>> disk = FourierDisk(16, 2.0)
    >>> slices = one.project(torch.eye(3)[None], disk)
    >>> expected = torch.exp(-8 * torch.pi**2 * disk.frequency.square().sum(-1)) / 8
    >>> torch.allclose(slices.abs(), expected, atol=1e-6)
    True
    """

    position: Float[Tensor, "v g 3"]
    amplitude: Float[Tensor, "#v g"]
    width: Float[Tensor, "#v g"]

    def project(self, rotation: Float[Tensor, "b 3 3"], disk: FourierDisk) -> Complex[Tensor, "b n"]:
        """Slices by matrix products or by way of a grid, whichever is faster; N x pixels is never held.

        Relative to the standard deviation of an image they are exact to 1e-4, in double precision to 1e-12.
        A Gaussian outside the box counts with its phases, as if the box went on periodically.
        """
        position, amplitude, width = map(_precise, (self.position, self.amplitude, self.width))
        side = disk.box * disk.pixel_size
        axes = (rotation[:, :2].to(position) / side)[..., None]
        x, y, z = position.unbind(-1)
        # not a matrix product, which autocast would round
        plane = torch.stack([row[:, 0] * x + row[:, 1] * y + row[:, 2] * z for row in axes.unbind(1)], dim=-1)
        cloud = PlaneCloud(plane, amplitude / disk.pixel_size**3, (width / side) ** 2)
        return slices(cloud, disk.index, fastest(width / side, disk, images=len(axes)))

    def voxels(self, box: int, pixel_size: float) -> Float[Tensor, "v box box box"]:
        """Densities at the voxels' centres, without what is finer than two voxels."""
        position, amplitude, width = map(_precise, (self.position, self.amplitude, self.width))
        amplitude, width = (numbers.expand(len(position), -1) for numbers in (amplitude, width))
        sets = zip(position, amplitude, width, strict=True)
        return torch.stack([band_limited_voxels(*one, box=box, pixel_size=pixel_size) for one in sets])


def _precise(numbers: Tensor) -> Tensor:
    """Numbers of half precision, as a network under autocast gives them, in single precision."""
    return numbers if numbers.dtype == torch.float64 else numbers.float()
