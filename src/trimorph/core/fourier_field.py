"""FourierField: a network that gives the transform of a density at any frequency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.volume import AbstractVolume
from trimorph.core.voxel_grid import VoxelGrid

FieldNetwork = Callable[[Float[Tensor, "v p 3"], Float[Tensor, "v d"]], Float[Tensor, "v p 2"]]


@dataclass(frozen=True, eq=False)
class FourierField(AbstractVolume):
    """V(k, z) = mean(k) + scale * network(k, z) for k in 1/Å, one density a row of ``z``.

    The density is real, V(-k) = conj V(k), so the network is asked only for one half space (kz > 0, see
    :func:`half_space_sign`) and conjugated elsewhere. ``scale`` is the amplitude that an output of one stands
    for at ``pixel_size`` Å; ``mean`` is a map to which the network adds, or None.
    """

    network: FieldNetwork
    z: Float[Tensor, "v d"]
    scale: float
    pixel_size: float
    mean: VoxelGrid | None = None

    def project(self, rotation: Float[Tensor, "b 3 3"], disk: FourierDisk) -> Complex[Tensor, "b n"]:
        """Central slices; ``v`` must be 1 or the number of images."""
        frequency = disk.plane(rotation)
        z = self.z.expand(len(rotation), -1)
        slices = self._evaluate(frequency, z) * (self.pixel_size / disk.pixel_size) ** 3
        return slices if self.mean is None else slices + self.mean.project(rotation, disk)

    def voxels(self, box: int, pixel_size: float) -> Float[Tensor, "v box box box"]:
        """Densities from the transform inside the Nyquist sphere, evaluated plane by plane."""
        axis = torch.arange(box, device=self.z.device) - box // 2
        step = 1 / (box * pixel_size)
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        grid = torch.zeros(len(self.z), box, box, box, dtype=torch.complex64, device=self.z.device)
        reach = 0.5 * min(1.0, pixel_size / self.pixel_size) * box
        for plane in range(box // 2, box):
            inside = (x**2 + y**2 + axis[plane] ** 2) < reach**2
            if not inside.any():
                continue
            frequency = torch.stack([x[inside], y[inside], axis[plane].expand(int(inside.sum()))], -1) * step
            grid[:, plane, inside] = self._evaluate(frequency.expand(len(self.z), -1, -1), self.z)
        half = torch.fft.ifftshift(grid, dim=(-3, -2, -1))[:, : box // 2 + 1]
        # kz >= 0 is the half that irfft wants on its last axis; the axes are put back afterwards
        density = torch.fft.irfftn(half.permute(0, 2, 3, 1), s=(box, box, box), dim=(1, 2, 3))
        density = torch.fft.fftshift(density, dim=(-3, -2, -1)).permute(0, 3, 1, 2)
        density = density * (self.pixel_size / pixel_size) ** 3
        return density if self.mean is None else density + self.mean.voxels(box, pixel_size)

    def _evaluate(self, frequency: Float[Tensor, "v p 3"], z: Float[Tensor, "v d"]) -> Complex[Tensor, "v p"]:
        sign = half_space_sign(frequency)
        real, imaginary = self.network(frequency * sign[..., None], z).float().unbind(-1)
        return torch.complex(real, imaginary * sign) * self.scale


def half_space_sign(frequency: Float[Tensor, "*p 3"]) -> Float[Tensor, "*p"]:
    """+1 on the half space kz > 0 or kz = 0, ky > 0 or ky = kz = 0, kx > 0; -1 on its mirror; 0 at k = 0."""
    x, y, z = torch.sign(frequency).unbind(-1)
    return torch.sign(4 * z + 2 * y + x)
