"""Gaussians: separable slices against direct sums, voxels, gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from core.direct_sum import direct_project
from trimorph.core.disk import FourierDisk
from trimorph.core.gaussians import Gaussians
from trimorph.core.gridding import Gridding
from trimorph.core.rotations import euler_to_matrix, random_rotations
from trimorph.core.voxel_grid import VoxelGrid

PIXEL_SIZE = 2.0


@pytest.mark.parametrize("volumes", [1, 5])
@pytest.mark.parametrize("box", [23, 24])
def test_slices_equal_the_direct_sum(
    blobs: Callable[..., Gaussians], rotation: Tensor, volumes: int, box: int
) -> None:
    cloud, disk = blobs(volumes), FourierDisk(box, PIXEL_SIZE)
    exact = direct_project(cloud, rotation, disk)
    error = (cloud.project(rotation, disk) - exact).abs().max()
    assert float(error) < 1e-4 * float(exact.std())


def test_slices_in_double_precision_are_exact(blobs: Callable[..., Gaussians]) -> None:
    rotation = random_rotations(4, generator=torch.Generator().manual_seed(0))
    cloud, disk = blobs(dtype=torch.float64), FourierDisk(24, PIXEL_SIZE)
    slices = cloud.project(rotation, disk)
    assert slices.dtype == torch.complex128
    torch.testing.assert_close(slices, direct_project(cloud, rotation, disk), rtol=0, atol=1e-12)


def test_a_limited_disk_gets_a_prefix(blobs: Callable[..., Gaussians], rotation: Tensor) -> None:
    cloud, disk = blobs(), FourierDisk(24, PIXEL_SIZE)
    coarse = disk.limit(resolution=12.0)
    torch.testing.assert_close(
        cloud.project(rotation, coarse), cloud.project(rotation, disk)[:, : len(coarse)], rtol=0, atol=1e-5
    )


def test_gradients_of_slices_and_voxels() -> None:
    """Against finite differences in double precision, for positions, amplitudes, widths and the pose."""
    generator = torch.Generator().manual_seed(2)
    disk = FourierDisk(6, 3.0)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    def project(position: Tensor, amplitude: Tensor, width: Tensor, euler: Tensor) -> Tensor:
        cloud = Gaussians(3 * position, amplitude, 1 + width)
        return torch.view_as_real(cloud.project(euler_to_matrix(euler), disk))

    def voxels(position: Tensor, amplitude: Tensor, width: Tensor) -> Tensor:
        return Gaussians(3 * position, amplitude, 1 + width).voxels(4, 3.0)

    position, amplitude, width, euler = draw(1, 3, 3), draw(1, 3), draw(1, 3), draw(2, 3)
    assert torch.autograd.gradcheck(project, (position, amplitude, width, euler))
    assert torch.autograd.gradcheck(voxels, (position, amplitude, width))


def test_amplitude_is_the_integral_and_position_the_centre(blobs: Callable[..., Gaussians]) -> None:
    one = blobs(count=1, dtype=torch.float64)
    density = one.voxels(32, PIXEL_SIZE)[0] * PIXEL_SIZE**3
    axis = (torch.arange(32, dtype=torch.float64) - 16) * PIXEL_SIZE
    torch.testing.assert_close(density.sum(), one.amplitude[0, 0], rtol=1e-6, atol=0)
    centre = torch.stack(
        [(density * axis).sum(), (density * axis[:, None]).sum(), (density.sum((1, 2)) @ axis)]
    )
    torch.testing.assert_close(centre / density.sum(), one.position[0, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("box", [25, 26])
def test_slices_of_the_voxels_equal_the_slices(
    blobs: Callable[..., Gaussians], rotation: Tensor, box: int
) -> None:
    cloud, disk = blobs(volumes=5), FourierDisk(box, PIXEL_SIZE)
    grid = VoxelGrid(cloud.voxels(box, PIXEL_SIZE), PIXEL_SIZE, Gridding(6))
    exact = cloud.project(rotation, disk)
    # what is left is the density between the voxels, beyond the Nyquist frequency of 2 Å pixels
    assert float((grid.project(rotation, disk) - exact).abs().max()) < 2e-3 * float(exact.std())
