"""Agreement in a band, of true points and wrong ones and in noise, against Fourier shell correlations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimorph.core.fsc import fourier_shell_correlation
from trimorph.core.gaussians import Gaussians
from trimorph.core.point_band import band_agreement, independent_values

BOX, PIXEL_SIZE = 40, 2.0
SIDE = BOX * PIXEL_SIZE
BAND = (10 / SIDE, 16 / SIDE)


def points(seed: int) -> torch.Tensor:
    return 6 * torch.randn(60, 3, generator=torch.Generator().manual_seed(seed))


def density(position: torch.Tensor, *, width: float) -> torch.Tensor:
    weight = torch.ones(1, len(position))
    return Gaussians(position[None], weight, width * weight).voxels(BOX, PIXEL_SIZE)[0]


def test_it_is_the_mean_of_the_shell_correlations() -> None:
    """Whatever the blur: it changes no shell's correlation, and shells weigh by their values."""
    truth, other = points(0), points(0) + 1.5 * torch.randn(60, 3, generator=torch.Generator().manual_seed(9))
    found = band_agreement(
        density(truth, width=2.0),
        PIXEL_SIZE,
        position=torch.stack([other, truth]),
        weight=torch.ones(60),
        band=BAND,
    )
    assert found is not None
    curve = fourier_shell_correlation(density(truth, width=2.0), density(other, width=1.5))[10:17]
    radius = np.linalg.norm(np.stack(np.meshgrid(*[np.arange(-20, 20)] * 3)), axis=0).round().astype(int)
    values = np.bincount(radius.ravel())[10:17]
    assert found.first == pytest.approx(float((curve.numpy() * values).sum() / values.sum()), abs=0.01)
    assert found.second == pytest.approx(1, abs=0.01)
    assert found.between == pytest.approx(found.first, abs=0.01)
    assert 0 < found.independent < values.sum()


def test_the_error_is_that_of_noise() -> None:
    """Two models in 20 maps of noise: gains scatter about zero by the error."""
    both, weight = torch.stack([points(1), points(2)]), torch.ones(60)
    generator = torch.Generator().manual_seed(3)
    found = []
    for _ in range(20):
        noise = torch.randn(BOX, BOX, BOX, generator=generator)
        one = band_agreement(noise, PIXEL_SIZE, position=both, weight=weight, band=BAND)
        assert one is not None
        found.append(one)
    gains = np.asarray([one.gain for one in found])
    error = float(np.mean([one.error for one in found]))
    assert gains.std() == pytest.approx(error, rel=0.4)
    assert abs(gains.mean()) < 3 * error / 20**0.5


def test_noise_in_a_part_of_the_box_has_fewer_independent_values() -> None:
    noise = torch.randn(BOX, BOX, BOX, generator=torch.Generator().manual_seed(4))
    mask = torch.zeros(BOX, BOX, BOX)
    mask[10:30, 10:30, 10:30] = 1
    both, weight = torch.stack([points(1), points(2)]), torch.ones(60)
    whole, part = (
        band_agreement(map_, PIXEL_SIZE, position=both, weight=weight, band=BAND)
        for map_ in (noise, noise * mask)
    )
    assert whole is not None
    assert part is not None
    assert part.independent / whole.independent == pytest.approx(1 / 8, rel=0.5)


def test_a_band_that_the_map_does_not_hold_is_none() -> None:
    both = torch.stack([points(1), points(2)])
    flat = torch.randn(BOX, BOX, BOX, generator=torch.Generator().manual_seed(5))
    assert band_agreement(flat, PIXEL_SIZE, position=both, weight=torch.ones(60), band=(0.24, 0.4)) is None


def test_noise_that_fills_the_box_is_independent_in_every_value() -> None:
    noise = torch.randn(BOX, BOX, BOX, generator=torch.Generator().manual_seed(6))
    radius = np.linalg.norm(np.stack(np.meshgrid(*[np.arange(-20, 20)] * 3)), axis=0).round()
    expected = int(((radius > 0) & (radius <= 12)).sum())
    assert independent_values(noise, PIXEL_SIZE, finest=12.2 / SIDE) == pytest.approx(expected, rel=0.02)
    assert independent_values(noise, PIXEL_SIZE, finest=2 / SIDE) == 1.0
