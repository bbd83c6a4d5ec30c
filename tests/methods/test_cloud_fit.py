"""A cloud grows into a density: known Gaussians, a structure's map by another route, and errors."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.core.gaussians import Gaussians
from trimorph.core.losses import fourier_ring_correlation
from trimorph.core.rotations import random_rotations
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.data.adenylate_kinase import adenylate_kinase
from trimorph.data.scattering import AtomicDensity
from trimorph.methods import cloud_fit
from trimorph.methods.cloud_fit import CloudFit, fit_cloud
from trimorph.methods.cloud_target import LAST_BAND

BOX, PIXEL = 48, 2.0


@lru_cache
def kinase() -> Tensor:
    """4AKE at 10 Å through the form factors of its atoms."""
    structure = adenylate_kinase(np.array([1.0]))[0]
    return AtomicDensity.of(structure, resolution=10.0).voxels(BOX, PIXEL)[0]


@lru_cache
def kinase_fit() -> tuple[tuple[str, CloudFit], ...]:
    return tuple(fit_cloud(kinase(), PIXEL, resolution=10.0))


def separate_gaussians() -> Gaussians:
    """12 Gaussians at least 12 Å apart."""
    place = 14.0 * torch.cartesian_prod(torch.arange(3.0), torch.arange(2.0), torch.arange(2.0)) - 14.0
    spread = torch.rand(12, 3, generator=torch.Generator().manual_seed(1)) * 2
    amplitude, width = torch.linspace(5, 20, 12), torch.linspace(2.5, 3.5, 12).flip(0)
    return Gaussians((place + spread)[None], amplitude[None], width[None])


def test_separate_gaussians_are_found_again() -> None:
    truth = separate_gaussians()
    density = truth.voxels(48, 1.5)[0]
    *_, (_, fit) = fit_cloud(density, 1.5, resolution=6.0, count=12)
    distance = torch.cdist(truth.position[0], fit.cloud.position[0])
    match = distance.argmin(1)
    assert sorted(match.tolist()) == list(range(12))
    assert float(distance.amin(1).max()) < 0.2 * 1.5
    assert torch.allclose(fit.cloud.amplitude[0, match], truth.amplitude[0], rtol=0.03)
    assert torch.allclose(fit.cloud.width[0, match], truth.width[0], rtol=0.03)
    assert fit.correlation > 0.999


def test_structure_is_a_cloud_of_its_scale() -> None:
    *_, (_, fit) = kinase_fit()
    density, made = kinase(), fit.cloud.voxels(BOX, PIXEL)[0]
    shells = fourier_shell_correlation(density, made)[: int(BOX * PIXEL / 10.0) + 1]
    assert fit.correlation > 0.95
    assert float(shells.min()) > 0.95
    assert float(made.sum() / density.sum()) == pytest.approx(1, abs=0.02)
    assert float((made * density).sum() / density.square().sum()) == pytest.approx(1, abs=0.02)
    assert fit.cloud.amplitude.shape[1] < 214


def test_correlation_is_that_of_rings() -> None:
    """Projections of map and cloud, each by its own projector, correlate in their last rings as it says."""
    *_, (_, fit) = kinase_fit()
    disk = FourierDisk(BOX, PIXEL).limit(resolution=10.0)
    views = random_rotations(64, generator=torch.Generator().manual_seed(0)).float()
    slices = VoxelGrid(kinase()[None], PIXEL).project(views, disk), fit.cloud.project(views, disk)
    rings = fourier_ring_correlation(*slices, disk=disk)
    last = rings[:, round(LAST_BAND * float(disk.radius[-1])) :]
    assert fit.correlation == pytest.approx(float(last.mean()), abs=0.02)


def test_cloud_doubles_as_the_resolution_rises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_fit, "FIRST", 24)
    levels = list(fit_cloud(kinase(), PIXEL, resolution=10.0, most=80))
    numbers = [fit.cloud.amplitude.shape[1] for _, fit in levels]
    limits = [float(line.split()[-2]) for line, _ in levels]
    assert numbers == [24, 48, 80]
    assert limits[0] > limits[1] > limits[2] == 10.0
    assert levels[0][1].correlation < levels[1][1].correlation < levels[2][1].correlation


def test_count_is_kept_and_amplitudes_may_be_held_positive() -> None:
    *_, (_, fit) = fit_cloud(kinase(), PIXEL, resolution=10.0, count=60, nonnegative=True)
    assert fit.cloud.amplitude.shape == (1, 60)
    assert float(fit.cloud.amplitude.min()) >= 0
    assert fit.correlation > 0.95
    assert float(fit.cloud.width.min()) >= 0.3 * PIXEL - 1e-4
    assert float(fit.cloud.width.max()) <= 10.0 + 1e-4


def test_gaussians_stay_in_the_mask() -> None:
    mask = torch.zeros(BOX, BOX, BOX)
    mask[:, :, : BOX // 2] = 1.0
    *_, (_, fit) = fit_cloud(kinase(), PIXEL, resolution=10.0, mask=mask)
    assert float(fit.cloud.position[0, :, 0].max()) <= -0.5 * PIXEL
    assert float(fit.cloud.amplitude.sum() / (kinase() * mask).sum()) == pytest.approx(PIXEL**3, rel=0.05)


def test_noise_around_a_particle_gets_no_gaussians() -> None:
    noise = torch.randn(BOX, BOX, BOX, generator=torch.Generator().manual_seed(0))
    quiet, loud = kinase(), kinase() + 0.05 * float(kinase().max()) * noise
    *_, (_, fit) = fit_cloud(loud, PIXEL, resolution=10.0)
    *_, (_, clean) = kinase_fit()
    x, y, z = (fit.cloud.position[0] / PIXEL).round().long().T + BOX // 2
    assert fit.cloud.amplitude.shape[1] < 2 * clean.cloud.amplitude.shape[1]
    assert float((quiet[z, y, x] > 0.02 * quiet.max()).float().mean()) > 0.9


def test_resolution_beyond_nyquist_is_an_error() -> None:
    with pytest.raises(InputError, match=r"found a resolution of 2.5 Å .* 2 Å; wanted 4 Å \(Nyquist\)"):
        next(fit_cloud(kinase(), PIXEL, resolution=2.5))


def test_more_than_the_map_supports_is_an_error() -> None:
    with pytest.raises(InputError, match=r"found a count of 5000; wanted at most \d{3}, as many as the map"):
        next(fit_cloud(kinase(), PIXEL, resolution=10.0, count=5000))


def test_masks_and_maps_that_leave_nothing_are_errors() -> None:
    beside = torch.zeros(BOX, BOX, BOX)
    beside[0, 0, 0] = 1.0
    with pytest.raises(InputError, match="found no density of the map inside the mask"):
        next(fit_cloud(kinase(), PIXEL, resolution=10.0, mask=beside))
    with pytest.raises(InputError, match="found a map that is zero everywhere"):
        next(fit_cloud(beside * 0, PIXEL, resolution=10.0))
    with pytest.raises(InputError, match=r"found a mask of \(8, 8, 8\) voxels"):
        next(fit_cloud(kinase(), PIXEL, resolution=10.0, mask=torch.ones(8, 8, 8)))


def test_a_map_of_noise() -> None:
    density = torch.randn(16, 16, 16, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match=r"at 8 Å nowhere exceeds 4 times its noise.*coarser --resolution"):
        next(fit_cloud(density, 4.0, resolution=8.0))
