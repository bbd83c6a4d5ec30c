"""Gaussians: isotropic blobs whose projections are separable in x and y."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.volume import AbstractVolume


@dataclass(frozen=True, eq=False)
class Gaussians(AbstractVolume):
    """N Gaussians, the same for all images (v = 1) or one set an image.

    density(x) = sum_n amplitude_n (2 pi width_n^2)^(-3/2) exp(-|x - position_n|^2 / (2 width_n^2)).
    Positions and widths (standard deviations) are in Å; an amplitude is the integral of its blob in Å^3.
    """

    position: Float[Tensor, "v g 3"]
    amplitude: Float[Tensor, "v g"]
    width: Float[Tensor, "v g"]

    def project(self, rotation: Float[Tensor, "b 3 3"], disk: FourierDisk) -> Complex[Tensor, "b n"]:
        """Slices as one batched matrix product over the square around the disk; N x pixels is never held.

        exp(-2 pi i k r - 2 pi^2 s^2 k^2) is a factor in kx times a factor in ky.
        """
        position = self.position.expand(len(rotation), -1, -1)
        with torch.autocast(position.device.type, enabled=False):
            plane = torch.einsum("bij,bgj->bgi", rotation[:, :2].to(position), position)
        reach = int(disk.index.abs().max())
        step = 1 / (disk.box * disk.pixel_size)
        ky = torch.arange(-reach, reach + 1, device=plane.device, dtype=plane.dtype) * step
        kx = ky[reach:]
        decay = -2 * pi**2 * self.width[..., None] ** 2
        along_x = torch.polar(
            torch.exp(decay * kx**2) * self.amplitude[..., None], -2 * pi * plane[..., :1] * kx
        )
        along_y = torch.polar(
            torch.exp(decay * ky**2).expand(len(plane), -1, -1), -2 * pi * plane[..., 1:] * ky
        )
        square = along_y.mT @ along_x
        return square[:, disk.index[:, 1] + reach, disk.index[:, 0]] / disk.pixel_size**3

    def voxels(self, box: int, pixel_size: float) -> Float[Tensor, "v box box box"]:
        """Densities at the voxels' centres."""
        axis = (torch.arange(box, device=self.position.device) - box // 2).to(self.position) * pixel_size
        offset = axis - self.position[..., None]
        factor = torch.exp(-0.5 * (offset / self.width[..., None, None]) ** 2)
        factor = factor / ((2 * pi) ** 0.5 * self.width[..., None, None])
        x, y, z = factor.unbind(-2)
        return torch.einsum("vnz,vny,vnx->vzyx", z * self.amplitude[..., None], y, x)
