"""VoxelGrid: slices against exact sums and real-space projections; resampling."""

from __future__ import annotations

from collections.abc import Callable

import finufft
import numpy as np
import pytest
import torch
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.gaussians import Gaussians
from trimorph.core.gridding import Gridding
from trimorph.core.rotations import random_rotations
from trimorph.core.voxel_grid import VoxelGrid, resample

PIXEL_SIZE = 2.0


def _noise(box: int, volumes: int = 1) -> Tensor:
    return torch.randn(volumes, box, box, box, generator=torch.Generator().manual_seed(box))


def _fourier_sum(values: Tensor, rotation: Tensor, disk: FourierDisk) -> Tensor:
    """Sum over the voxels at k = R^T (kx, ky, 0), in double precision, one axis at a time."""
    box = values.shape[-1]
    x = torch.arange(box, dtype=torch.float64) - box // 2
    k = torch.einsum("bji,nj->bni", rotation[:, :2].double(), disk.index.double()) / box
    wave = [torch.exp(-2j * torch.pi * k[..., axis, None] * x) for axis in range(3)]
    along_x = torch.einsum("zyx,bnx->bnzy", values.to(torch.complex128), wave[0])
    return torch.einsum("bnzy,bny,bnz->bn", along_x, wave[1], wave[2])


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().square().mean().sqrt() / b.abs().square().mean().sqrt())


@pytest.mark.parametrize("box", [23, 24])
@pytest.mark.parametrize(("width", "tolerance"), [(2, 8e-2), (3, 7.5e-3), (4, 8e-4), (6, 9e-6)])
def test_slices_equal_the_exact_fourier_sum(width: int, tolerance: float, box: int) -> None:
    """White noise fills the box to its corners, the hardest case for a gridding kernel."""
    rotation = random_rotations(20, generator=torch.Generator().manual_seed(0)).float()
    values, disk = _noise(box), FourierDisk(box, PIXEL_SIZE)
    slices = VoxelGrid(values, PIXEL_SIZE, Gridding(width)).project(rotation, disk)
    assert _distance(slices, _fourier_sum(values[0], rotation, disk)) < tolerance


@pytest.mark.parametrize("box", [21, 24])
def test_slices_agree_with_finufft(box: int, rotation: Tensor) -> None:
    values, disk = _noise(box), FourierDisk(box, PIXEL_SIZE)
    slices = VoxelGrid(values, PIXEL_SIZE, Gridding(6)).project(rotation, disk)
    k = torch.einsum("bji,nj->bni", rotation[:, :2].double(), disk.index.double()) * (2 * torch.pi / box)
    x, y, z = np.ascontiguousarray(k.reshape(-1, 3).numpy().T)
    modes = np.ascontiguousarray(values[0].numpy().transpose(2, 1, 0).astype(complex))
    exact = finufft.nufft3d2(x, y, z, modes, isign=-1, eps=1e-9).reshape(slices.shape)
    assert _distance(slices, torch.as_tensor(exact)) < 1e-5


@pytest.mark.parametrize("box", [15, 16])
def test_projection_along_z_is_the_sum_over_z(box: int) -> None:
    values, disk = _noise(box), FourierDisk(box, PIXEL_SIZE)
    slices = VoxelGrid(values, PIXEL_SIZE).project(torch.eye(3)[None], disk)
    assert _distance(slices, disk.transform(values.sum(1))) < 2e-3


def test_quarter_turns_equal_turned_voxels() -> None:
    """x_image = R x_object: a turn by R that takes object y to image x, and so on, permutes an odd grid."""
    box = 15
    values, disk = _noise(box), FourierDisk(box, PIXEL_SIZE)
    about_z = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # x' = y, y' = -x
    about_x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # y' = -z, z' = y
    turned_z = values[0].permute(0, 2, 1).flip(1)  # turned[z', y', x'] = values[z', x', -y']
    turned_x = values[0].permute(1, 0, 2).flip(1)  # turned[z', y', x'] = values[-y', z', x']
    for matrix, turned in ((about_z, turned_z), (about_x, turned_x)):
        slices = VoxelGrid(values, PIXEL_SIZE).project(matrix[None], disk)
        assert _distance(slices[0], disk.transform(turned.sum(0))) < 2e-3


def test_one_density_an_image(rotation: Tensor) -> None:
    values, disk = _noise(12, volumes=5), FourierDisk(12, PIXEL_SIZE)
    together = VoxelGrid(values, PIXEL_SIZE).project(rotation, disk)
    for i in range(5):
        alone = VoxelGrid(values[i : i + 1], PIXEL_SIZE).project(rotation[i : i + 1], disk)
        torch.testing.assert_close(together[i], alone[0], rtol=0, atol=1e-3)


def test_a_limited_disk_gets_a_prefix_of_the_slices(rotation: Tensor) -> None:
    disk, volume = FourierDisk(16, PIXEL_SIZE), VoxelGrid(_noise(16), PIXEL_SIZE)
    coarse = disk.limit(resolution=8.0)
    torch.testing.assert_close(
        volume.project(rotation, coarse), volume.project(rotation, disk)[:, : len(coarse)], rtol=0, atol=1e-4
    )


def test_disk_with_another_grid_than_the_density(blobs: Callable[..., Gaussians], rotation: Tensor) -> None:
    """Slices of a map of 24 pixels of 2 Å on the disk of 20 pixels of 3 Å equal the Gaussians' own."""
    cloud, disk = blobs(), FourierDisk(20, 3.0)
    slices = VoxelGrid(cloud.voxels(24, PIXEL_SIZE), PIXEL_SIZE).project(rotation, disk)
    assert _distance(slices, cloud.project(rotation, disk)) < 2e-3


def test_beyond_its_own_nyquist_frequency_a_density_is_zero(rotation: Tensor) -> None:
    disk = FourierDisk(32, 1.0)
    slices = VoxelGrid(_noise(8), 4.0).project(rotation, disk)
    frequency = torch.einsum("bji,nj->bni", rotation[:, :2], disk.frequency).abs().amax(-1)
    assert float(slices[frequency > 0.126].abs().max()) == 0.0
    assert float(slices[frequency < 0.124].abs().min()) > 0.0


def test_gradient_of_the_slices_is_the_adjoint_sum() -> None:
    """d/dv Re <w, P v> is Re P* w: at each voxel the sum of w cos(2 pi k x)."""
    box, disk = 8, FourierDisk(8, PIXEL_SIZE)
    matrix = random_rotations(2, generator=torch.Generator().manual_seed(3)).float()
    weight = torch.randn(2, len(disk), generator=torch.Generator().manual_seed(4))
    values = torch.zeros(1, box, box, box, requires_grad=True)
    (VoxelGrid(values, PIXEL_SIZE, Gridding(6)).project(matrix, disk).real * weight).sum().backward()
    assert values.grad is not None
    x = torch.arange(box) - box // 2.0
    z, y, x = torch.meshgrid(x, x, x, indexing="ij")
    k = torch.einsum("bji,nj->bni", matrix[:, :2], disk.index.float()) / box
    phase = 2 * torch.pi * torch.einsum("bni,izyx->bnzyx", k, torch.stack([x, y, z]))
    expected = (torch.cos(phase) * weight[..., None, None, None]).sum((0, 1))
    assert _distance(values.grad[0], expected) < 1e-4


@pytest.mark.parametrize(
    ("old", "step", "new", "new_step"),
    [
        (24, 2.0, 36, 2.0),  # larger box
        (24, 2.0, 20, 2.4),  # smaller, even to even
        (24, 2.0, 21, 2.2857142857142856),  # even to odd
        (25, 2.0, 20, 2.5),  # odd to even
        (25, 2.0, 41, 1.2),  # finer
        (24, 2.0, 48, 1.0),
        (24, 2.0, 16, 3.1),  # a pixel size that fits nowhere
    ],
)
def test_resampled_gaussians_are_the_gaussians_on_the_new_grid(
    blobs: Callable[..., Gaussians], old: int, step: float, new: int, new_step: float
) -> None:
    cloud = blobs(volumes=2)
    wide = Gaussians(cloud.position * 0.6, cloud.amplitude, cloud.width * 1.3)
    resampled = resample(wide.voxels(old, step), step, box=new, pixel_size=new_step)
    exact = wide.voxels(new, new_step)
    assert resampled.shape == exact.shape
    assert float((resampled - exact).abs().max()) < 2e-3 * float(exact.max())


@pytest.mark.parametrize(("old", "new"), [(8, 12), (8, 13), (9, 12), (9, 13), (12, 8), (13, 9), (12, 9)])
def test_another_box_at_the_same_pixel_size_pads_with_zeros_or_crops(old: int, new: int) -> None:
    values = _noise(old)[0]
    resampled = resample(values, 1.7, box=new, pixel_size=1.7)
    expected = torch.zeros(new, new, new)
    shift = new // 2 - old // 2
    kept = slice(max(shift, 0), min(old + shift, new))
    source = slice(max(-shift, 0), min(new - shift, old))
    expected[kept, kept, kept] = values[source, source, source]
    torch.testing.assert_close(resampled, expected, rtol=0, atol=1e-5)


def test_resampling_of_a_large_box_stays_small_in_memory() -> None:
    constant = torch.ones(96, 96, 96)
    resampled = resample(constant, 1.0, box=48, pixel_size=2.0)
    torch.testing.assert_close(resampled, torch.ones(48, 48, 48), rtol=0, atol=1e-4)


def test_voxels_of_the_same_grid_are_the_values() -> None:
    values = _noise(9, volumes=2)
    assert torch.equal(VoxelGrid(values, 1.5).voxels(9, 1.5), values)
