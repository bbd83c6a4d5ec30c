"""Masks of where the density varies: known answers, and what the noise of two halves does to them."""

from __future__ import annotations

import pytest
import torch

from trimorph.methods.variance_mask import SHARES, particle_ball, shared_variance, variance_masks


@pytest.mark.parametrize("box", [15, 16])
def test_ball_is_around_the_origin_voxel(box: int) -> None:
    line = particle_ball(box, 4.0, radius=20.0)[box // 2, box // 2]
    assert line[box // 2 - 5 : box // 2 + 6].tolist() == [1.0] * 11
    assert float(line[box // 2 + 6]) == float(line[box // 2 - 6]) == 0.0


def test_smoothing_keeps_the_variance_and_spreads_it() -> None:
    mode = torch.zeros(1, 16, 16, 16)
    mode[0, 8, 8, 8] = 3.0
    found = shared_variance(mode, mode, width=1.5)
    assert float(found.sum()) == pytest.approx(9.0, rel=1e-4)
    square = (torch.arange(16) - 8.0) ** 2
    assert float((found.sum((0, 1)) * square).sum()) == pytest.approx(9.0 * 1.5**2, rel=1e-3)


def test_variance_is_found_where_both_halves_have_it() -> None:
    """A spot of four voxels a side that both halves have, in noise that holds more power than it."""
    box, generator = 24, torch.Generator().manual_seed(0)
    spot = torch.zeros(2, box, box, box)
    spot[:, 14:18, 10:14, 4:8] = torch.randn(2, 4, 4, 4, generator=generator)
    halves = [spot + 0.15 * torch.randn(spot.shape, generator=generator) for _ in range(2)]
    assert float((halves[0] - spot).square().sum()) > 2 * float(spot.square().sum())
    narrow, _, wide = variance_masks(shared_variance(*halves, width=1.0), reach=1.0)
    inside = spot.square().sum(0)
    assert float((narrow * inside).sum() / inside.sum()) > 0.95
    assert float(narrow.mean()) < 0.05 < float(wide.mean())
    assert bool((wide >= narrow).all())


def test_edges_of_the_masks() -> None:
    variance = torch.zeros(21, 21, 21)
    variance[10, 10, 10] = 1.0
    for mask in variance_masks(variance, reach=3.0):
        line = mask[10, 10, 10:]
        assert line[:4].tolist() == [1.0] * 4
        assert float(line[6]) == pytest.approx(0.5)
        assert line[9:].tolist() == [0.0] * 2


def test_no_mask_where_nothing_is_shared() -> None:
    assert len(variance_masks(torch.ones(4, 4, 4), reach=1.0)) == len(SHARES)
    assert variance_masks(-torch.ones(4, 4, 4), reach=1.0) == []
