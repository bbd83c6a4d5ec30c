"""FourierField with an analytic network equals the density that the network stands for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.fourier_field import FourierField
from trimorph.core.gaussians import Gaussians
from trimorph.core.voxel_grid import VoxelGrid

PIXEL_SIZE = 2.0


class _Blob:
    """A network that gives the transform of one Gaussian whose position in Å is the latent."""

    width = 2.5

    def __init__(self) -> None:
        self.lowest = 0.0
        self.points = 0

    def __call__(self, frequency: Tensor, z: Tensor) -> Tensor:
        self.lowest = min(self.lowest, float(frequency[..., 2].min()))
        self.points += frequency.shape[1]
        size = torch.exp(-2 * torch.pi**2 * self.width**2 * (frequency**2).sum(-1))
        phase = -2 * torch.pi * torch.einsum("vpi,vi->vp", frequency, z)
        return torch.stack([size * phase.cos(), size * phase.sin()], dim=-1)


def _pair(volumes: int, generator: torch.Generator) -> tuple[FourierField, Gaussians]:
    position = 5 * torch.randn(volumes, 3, generator=generator)
    field = FourierField(_Blob(), position, scale=3.0 / PIXEL_SIZE**3, pixel_size=PIXEL_SIZE)
    width = torch.full((volumes, 1), _Blob.width)
    return field, Gaussians(position[:, None], torch.full((volumes, 1), 3.0), width)


@pytest.mark.parametrize("volumes", [1, 5])
@pytest.mark.parametrize(("box", "pixel_size"), [(23, 2.0), (24, 2.0), (20, 3.0)])
def test_slices_equal_those_of_the_gaussian(
    generator: torch.Generator, rotation: Tensor, volumes: int, box: int, pixel_size: float
) -> None:
    field, cloud = _pair(volumes, generator)
    disk = FourierDisk(box, pixel_size)
    torch.testing.assert_close(
        field.project(rotation, disk), cloud.project(rotation, disk), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(("box", "pixel_size"), [(31, 2.0), (32, 2.0), (33, 1.5), (28, 2.2)])
def test_voxels_equal_those_of_the_gaussian(generator: torch.Generator, box: int, pixel_size: float) -> None:
    field, cloud = _pair(2, generator)
    exact = cloud.voxels(box, pixel_size)
    voxels = field.voxels(box, pixel_size)
    assert voxels.shape == exact.shape
    assert float((voxels - exact).abs().max()) < 5e-3 * float(exact.max())


def test_network_sees_only_the_half_space_and_the_rest_is_conjugate(
    generator: torch.Generator, rotation: Tensor
) -> None:
    field, _ = _pair(1, generator)
    disk = FourierDisk(16, PIXEL_SIZE)
    slices = field.project(rotation, disk)
    turned = rotation * torch.tensor([-1.0, -1.0, 1.0])[:, None]  # half a turn about the image's z: k -> -k
    torch.testing.assert_close(field.project(turned, disk), slices.conj(), rtol=0, atol=1e-6)
    field.voxels(16, PIXEL_SIZE)
    assert isinstance(field.network, _Blob)
    assert field.network.lowest >= 0.0


def test_only_half_of_the_sphere_is_evaluated(generator: torch.Generator) -> None:
    field, _ = _pair(1, generator)
    field.voxels(32, PIXEL_SIZE)
    assert isinstance(field.network, _Blob)
    sphere = 4 / 3 * torch.pi * 16**3
    assert field.network.points == pytest.approx(sphere / 2, rel=0.08)


def test_the_mean_map_is_added(
    generator: torch.Generator, rotation: Tensor, blobs: Callable[..., Gaussians]
) -> None:
    field, cloud = _pair(1, generator)
    mean = VoxelGrid(blobs().voxels(24, PIXEL_SIZE), PIXEL_SIZE)
    both = FourierField(field.network, field.z, field.scale, PIXEL_SIZE, mean=mean)
    disk = FourierDisk(24, PIXEL_SIZE)
    expected = cloud.project(rotation, disk) + mean.project(rotation, disk)
    torch.testing.assert_close(both.project(rotation, disk), expected, rtol=0, atol=1e-5)
    difference = both.voxels(24, PIXEL_SIZE) - field.voxels(24, PIXEL_SIZE)
    torch.testing.assert_close(difference, mean.values, rtol=0, atol=1e-6)


def test_any_network_gives_a_real_density(generator: torch.Generator, rotation: Tensor) -> None:
    """V(-k) = conj V(k) also on the plane kz = 0, which the identity samples, and V(0) is real."""
    matrix = torch.randn(3, 2, generator=generator)
    field = FourierField(lambda k, z: torch.cos(5 * k @ matrix + 1.0), torch.zeros(1, 0), 1.0, PIXEL_SIZE)
    disk = FourierDisk(15, PIXEL_SIZE)
    slices = field.project(rotation, disk)
    mirrored = field.project(rotation * torch.tensor([-1.0, -1.0, 1.0])[:, None], disk)
    torch.testing.assert_close(mirrored, slices.conj(), rtol=0, atol=1e-5)
    assert float(slices[:, 0].imag.abs().max()) == 0.0
    # the projection of the voxels along z is the slice at the identity
    projected = disk.transform(field.voxels(15, PIXEL_SIZE).sum(1))
    torch.testing.assert_close(projected[0], slices[0], rtol=0, atol=1e-4)
