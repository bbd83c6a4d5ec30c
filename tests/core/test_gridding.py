"""Gridding: the kernel against exact Fourier sums, and the adjoint."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.core.gridding import Gridding
from trimorph.core.voxel_grid import VoxelGrid


def _points(count: int, reach: float, seed: int = 0) -> Tensor:
    return (2 * torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)) - 1) * reach


@pytest.mark.parametrize("width", [2, 3, 4, 5, 6])
def test_interpolate_and_spread_are_adjoint(width: int) -> None:
    """<A x, y> = <x, A* y> for the real and the imaginary part alike."""
    generator = torch.Generator().manual_seed(width)
    size, kernel, point = 24, Gridding(width), _points(200, 8.0).double()
    grid = torch.randn(1, size, size, size, 2, generator=generator, dtype=torch.float64)
    values = torch.randn(200, 2, generator=generator, dtype=torch.float64)
    taken = torch.view_as_real(kernel.interpolate(torch.view_as_complex(grid), point[None])[0])
    spread = kernel.spread(values, point, size)
    for channel in range(2):
        left = (taken[:, channel] * values[:, channel]).sum()
        right = (grid[0, ..., channel] * spread[..., channel]).sum()
        torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [3, 4, 5])
@pytest.mark.parametrize("size", [15, 16])
def test_spreading_a_point_on_a_grid_point_is_symmetric_and_in_its_place(width: int, size: int) -> None:
    grid = Gridding(width).spread(torch.ones(1, 1), torch.tensor([[3.0, -1.0, 2.0]]), size)[..., 0]
    middle = size // 2
    z, y, x = torch.nonzero(grid == grid.max())[0].tolist()
    assert (x, y, z) == (middle + 3, middle - 1, middle + 2)
    peak = torch.special.i0e(torch.tensor(Gridding(width).beta)) ** 3
    assert float(grid.max()) == pytest.approx(float(peak), rel=1e-5)
    along_x, along_y, along_z = (
        grid[z, y, x - 2 : x + 3],
        grid[z, y - 2 : y + 3, x],
        grid[z - 2 : z + 3, y, x],
    )
    torch.testing.assert_close(along_x, along_x.flip(0))
    torch.testing.assert_close(along_x, along_y)
    torch.testing.assert_close(along_x, along_z)


def test_kernel_vanishes_at_the_edge_of_its_footprint() -> None:
    point = torch.arange(0, 1, 0.01)[:, None] + 5
    for width in (2, 3, 4, 6, 8):
        first, weight = Gridding(width).footprint(point)
        place = first[..., None] + torch.arange(width)
        assert bool(((place - point[..., None]).abs() <= width / 2 + 1e-5).all())
        assert bool((weight >= 0).all())
        assert bool((weight <= 1 + 1e-6).all())


def test_slope_at_grid_points_is_that_of_the_fourier_sum() -> None:
    """Grid points lie on the edge of the kernel, where its square root ends; poses are learned through it."""
    box = 12
    values = torch.randn(1, box, box, box, generator=torch.Generator().manual_seed(0))
    volume = VoxelGrid(values, 1.0, Gridding(6))
    margin = 6 // 2 + 1
    origin = (2 * box + 2 * margin) // 2
    assert volume.transform.shape[-1] // 2 == origin
    point = torch.tensor([[[0.0, 0.0, 0.0], [2.0, -3.0, 1.0]]], requires_grad=True)
    found = Gridding(6).interpolate(volume.transform, point)
    (slope,) = torch.autograd.grad(found.imag.sum(), point)

    x = torch.arange(box) - box // 2
    grid = torch.stack(torch.meshgrid(x, x, x, indexing="ij")[::-1], dim=-1).double()
    exact = point.detach().double().requires_grad_()
    phase = -2 * torch.pi * torch.einsum("pi,zyxi->pzyx", exact[0] / (2 * box), grid)
    total = (torch.sin(phase) * values[0].double()).sum()
    (expected,) = torch.autograd.grad(total, exact)
    torch.testing.assert_close(slope.double(), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_taper_is_the_transform_of_the_kernel() -> None:
    """Summed numerically over a fine axis, at every voxel of an even and of an odd box."""
    kernel = Gridding(4)
    offset = torch.linspace(-2, 2, 40001, dtype=torch.float64)
    root = (1 - (offset / 2) ** 2).clamp_min(0).sqrt()
    value = torch.special.i0e(kernel.beta * root) * torch.exp(kernel.beta * (root - 1))
    for box in (9, 12):
        x = (torch.arange(box, dtype=torch.float64) - box // 2) / (2 * box)
        expected = torch.trapezoid(value * torch.cos(2 * torch.pi * x[:, None] * offset), offset)
        torch.testing.assert_close(kernel.taper(box).double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("width", [1, 9])
def test_width_out_of_range_is_refused(width: int) -> None:
    with pytest.raises(InputError, match=rf"found a kernel width of {width}; wanted 2 to 8"):
        Gridding(width)
