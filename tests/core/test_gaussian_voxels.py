"""Voxels of Gaussians against the formula, and their memory."""

from __future__ import annotations

import resource

import pytest
import torch

from trimorph.core.disk import FourierDisk
from trimorph.core.gaussian_voxels import band_limited_voxels, gaussian_voxels


@pytest.mark.parametrize("box", [15, 24])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_voxels_equal_the_formula(box: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(box)
    position = 24 * torch.randn(40, 3, generator=generator, dtype=dtype)  # some lie outside
    amplitude = torch.randn(40, generator=generator, dtype=dtype)
    width = 0.5 + 6 * torch.rand(40, generator=generator, dtype=dtype)
    axis = (torch.arange(box, dtype=torch.float64) - box // 2) * 2.0
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    square = ((torch.stack([x, y, z], -1)[..., None, :] - position) ** 2).sum(-1)
    peak = amplitude * (2 * torch.pi * width.double() ** 2) ** -1.5
    exact = (peak * torch.exp(-square / (2 * width.double() ** 2))).sum(-1)
    voxels = gaussian_voxels(position, amplitude, width, box=box, pixel_size=2.0)
    assert voxels.dtype == dtype
    relative = 1e-6 if dtype == torch.float32 else 1e-13
    assert float((voxels - exact).abs().max()) < relative * float(exact.abs().max())


def test_gradients_in_double_precision() -> None:
    generator = torch.Generator().manual_seed(2)
    position = 5 * torch.randn(5, 3, generator=generator, dtype=torch.float64)
    amplitude = torch.randn(5, generator=generator, dtype=torch.float64)
    width = 1.5 + torch.rand(5, generator=generator, dtype=torch.float64)
    numbers = tuple(one.requires_grad_() for one in (position, amplitude, width))
    assert torch.autograd.gradcheck(lambda *cloud: gaussian_voxels(*cloud, box=10, pixel_size=1.7), numbers)


def test_many_gaussians_take_little_more_memory_than_the_map() -> None:
    """Gaussians times the pixels of a plane would take 500 MB."""
    generator = torch.Generator().manual_seed(0)
    position = 18 * torch.randn(14_000, 3, generator=generator)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gaussian_voxels(position, torch.ones(14_000), torch.full((14_000,), 1.5), box=96, pixel_size=1.0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("box", [24, 25])
@pytest.mark.parametrize("width", [0.2, 0.6, 1.9])
def test_narrow_gaussians_have_their_transform_up_to_nyquist(box: int, width: float) -> None:
    generator = torch.Generator().manual_seed(0)
    position = 6 * torch.randn(9, 3, generator=generator)
    amplitude, widths = torch.rand(9, generator=generator) + 0.5, torch.full((9,), width)
    density = band_limited_voxels(position, amplitude, widths, box=box, pixel_size=2.0)
    disk = FourierDisk(box, 2.0).limit(radius=box / 2 - 1)
    found = disk.transform(density.sum(0)) * 8.0
    phase = torch.exp(-2j * torch.pi * (disk.frequency @ position[:, :2].T))
    fall = torch.exp(-2 * (torch.pi * disk.frequency.norm(dim=1, keepdim=True) * widths) ** 2)
    expected = (phase * amplitude * fall).sum(1)
    assert float((found - expected).norm() / expected.norm()) < 1e-3
