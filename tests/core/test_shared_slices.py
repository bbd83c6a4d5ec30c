"""Slices of a few densities at once: against exact sums, against VoxelGrid, and their adjoint."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.gridding import Gridding
from trimorph.core.rotations import random_rotations
from trimorph.core.shared_slices import SharedSlices
from trimorph.core.voxel_grid import VoxelGrid

GRIDS = [(12, 8), (13, 8), (13, 9), (16, 11), (9, 5)]
"""Boxes of the images and of the densities, which have the same extent."""
PIXEL_SIZE = 3.0


def _setting(image_box: int, box: int, *, width: int = 3) -> tuple[SharedSlices, FourierDisk, float]:
    """Slices up to two thirds of the coarse grid's own limit."""
    pixel_size = image_box * PIXEL_SIZE / box
    disk = FourierDisk(image_box, PIXEL_SIZE).limit(radius=box / 3)
    return SharedSlices(box, pixel_size, disk, Gridding(width)), disk, pixel_size


def _densities(box: int, count: int = 2) -> Tensor:
    return torch.randn(count, box, box, box, generator=torch.Generator().manual_seed(0))


def _rotations(count: int) -> Tensor:
    return random_rotations(count, generator=torch.Generator().manual_seed(1)).float()


def _exact(values: Tensor, pixel_size: float, rotation: Tensor, disk: FourierDisk) -> Tensor:
    """The Fourier sum itself (b, n, k), on the scale of the disk's images."""
    axis = ((torch.arange(len(values[0])) - len(values[0]) // 2) * pixel_size).double()
    phases = [
        torch.exp(-2j * torch.pi * f[..., None] * axis) for f in disk.plane(rotation).double().unbind(-1)
    ]
    sums = torch.einsum("kzyx,bnx,bny,bnz->bnk", values.to(torch.complex128), *phases)
    return sums * (pixel_size / disk.pixel_size) ** 3


def _slices(shared: SharedSlices, values: Tensor, rotation: Tensor, disk: FourierDisk) -> Tensor:
    return torch.view_as_complex(
        shared.slices(shared.table(values), shared.taps(rotation, disk)).contiguous()
    )


@pytest.mark.parametrize(("image_box", "box"), GRIDS)
@pytest.mark.parametrize(("width", "error"), [(3, 1e-2), (4, 2e-3), (6, 1e-4)])
def test_slices_are_the_fourier_sum(image_box: int, box: int, width: int, error: float) -> None:
    shared, disk, pixel_size = _setting(image_box, box, width=width)
    values, rotation = _densities(box), _rotations(5)
    found = _slices(shared, values, rotation, disk)
    exact = _exact(values, pixel_size, rotation, disk)
    assert float((found - exact).norm() / exact.norm()) < error


@pytest.mark.parametrize(("image_box", "box"), GRIDS)
def test_slices_are_those_of_voxel_grids(image_box: int, box: int) -> None:
    shared, disk, pixel_size = _setting(image_box, box, width=6)
    values, rotation = _densities(box), _rotations(5)
    found = _slices(shared, values, rotation, disk)
    for number, density in enumerate(values):
        one = VoxelGrid(density[None], pixel_size, Gridding(6)).project(rotation, disk)
        assert (
            float((found[..., number] - one).norm() / one.norm()) < 1e-4
        )  # the table of the kernel, not its width, sets the limit


def test_a_prefix_of_the_disk_is_a_prefix_of_the_slices() -> None:
    shared, disk, _ = _setting(13, 9)
    values, rotation = _densities(9), _rotations(3)
    some = disk.first(len(disk) // 2)
    torch.testing.assert_close(
        _slices(shared, values, rotation, some), _slices(shared, values, rotation, disk)[:, : len(some)]
    )


def test_tables_one_under_the_other() -> None:
    """Every image reads from the table that it is told to."""
    shared, disk, _ = _setting(12, 8)
    sets, rotation = _densities(8, 4).view(2, 2, 8, 8, 8), _rotations(4)
    tables, which = [shared.table(values) for values in sets], torch.tensor([1, 0, 0, 1])
    taps = shared.taps(rotation, disk)
    found = shared.slices(torch.cat(tables), taps.moved(which * len(tables[0])))
    for row, number in enumerate(which):
        torch.testing.assert_close(found[row], shared.slices(tables[number], taps)[row])


@pytest.mark.parametrize(("image_box", "box"), GRIDS)
def test_gradient_is_the_adjoint(image_box: int, box: int) -> None:
    """<A x, y> = <x, A^T y>: slices are linear, and their gradient is the transposed map."""
    shared, disk, _ = _setting(image_box, box)
    x, rotation = _densities(box).requires_grad_(), _rotations(3)
    slices = shared.slices(shared.table(x), shared.taps(rotation, disk))
    y = torch.randn(slices.shape, generator=torch.Generator().manual_seed(2))
    left = (slices * y).sum()
    left.backward()
    assert x.grad is not None
    assert float((x.detach() * x.grad).sum()) == pytest.approx(left.item(), rel=1e-4)
    # and against the gradient of the sum written out
    exact = torch.view_as_real(_exact(x, shared.pixel_size, rotation, disk))
    (expected,) = torch.autograd.grad((exact * y).sum(), x)
    assert float((x.grad - expected).norm() / expected.norm()) < 2e-2


def test_gradient_of_the_table_is_exact() -> None:
    """The sparse product of the backward pass against a dense matrix of the weights."""
    shared, disk, _ = _setting(9, 5)
    taps = shared.taps(_rotations(2), disk)
    table = shared.table(_densities(5)).requires_grad_()
    slices = shared.slices(table, taps)
    y = torch.randn(slices.shape, generator=torch.Generator().manual_seed(2))
    (found,) = torch.autograd.grad((slices * y).sum(), table)
    dense = torch.zeros(taps.row.shape[0], len(table)).scatter_add_(1, taps.row, taps.kernel)
    scale = (shared.pixel_size / disk.pixel_size) ** 3
    turned = y * scale * torch.stack([torch.ones_like(taps.side), taps.side], -1)[:, :, None]
    torch.testing.assert_close(found, dense.T @ turned.flatten(0, 1).flatten(1), rtol=1e-4, atol=1e-4)
