"""Scores of positions on a line, by known answers and by trying every direction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from trimorph.evaluation.straight import (
    best_direction,
    monotone_estimate,
    rank_correlation,
    score_line,
    slope_bias,
)


def test_no_direction_is_much_better_than_the_best() -> None:
    generator = np.random.default_rng(0)
    position = generator.uniform(0, 60, 800)
    z = np.stack([np.cos(position / 25), np.sin(position / 25)], axis=1) + 0.2 * generator.normal(
        size=(800, 2)
    )
    z = z @ np.array([[1.0, 0.7], [0.0, 0.4]])
    turns = np.deg2rad(np.arange(0, 180, 0.5))
    tried = [abs(spearmanr(z @ [np.cos(t), np.sin(t)], position).statistic) for t in turns]
    found = rank_correlation(z @ best_direction(z, position), position)
    assert found == pytest.approx(max(tried), abs=0.005)
    assert np.linalg.norm(best_direction(z, position)) == pytest.approx(1.0)


def test_scale_turn_sign_and_company_of_the_latent_do_not_matter() -> None:
    generator = np.random.default_rng(1)
    position = np.repeat(np.linspace(0, 60, 20), 50)
    z = np.zeros((1000, 4))
    z[:, 2] = 1e-3 * position + 3.0
    z[:, :2] = 5 * generator.normal(size=(1000, 2))
    everywhere = np.ones(1000, bool)
    turn = np.linalg.qr(generator.normal(size=(4, 4)))[0]
    for latents in (z, -z, z @ turn):
        found = score_line(latents, position, everywhere)
        assert found.correlation > np.sqrt(1 - 1 / 20**2) - 1e-4  # rounding orders what is tied in truth
        assert found.error < 0.3
        assert abs(found.slope_bias) < 1e-3
    blind = score_line(generator.normal(size=(1000, 4)), position, everywhere)
    assert blind.correlation < 0.12
    assert blind.slope_bias < -0.95
    same = score_line(np.ones((1000, 2)), position, everywhere)
    assert (same.correlation, same.slope_bias) == (0.0, pytest.approx(-1.0))


def test_views_that_show_nothing_lower_one_score_and_not_the_other() -> None:
    generator = np.random.default_rng(2)
    position = generator.uniform(0, 60, 4000)
    shown = generator.random(4000) > 0.2
    z = np.where(shown, position, 30 + generator.normal(size=4000))[:, None]
    found = score_line(z, position, shown)
    assert found.shown_correlation == pytest.approx(1.0)
    # with u the rank of the position, the latent's is 0.8 u or 0.2 + 0.8 u, or near 1/2 for the hidden fifth
    assert found.correlation == pytest.approx(0.88, abs=0.02)
    assert found.slope_bias == pytest.approx(-0.2, abs=0.02)
    assert found.error == pytest.approx(60 * np.sqrt(0.2 / 12), rel=0.05)


def test_a_noisy_latent_loses_the_range_that_its_noise_hides() -> None:
    """Of Gaussian position and latent = position + noise, the best estimate has slope r^2."""
    generator = np.random.default_rng(3)
    position = generator.normal(size=20_000)
    along = position + 0.5 * generator.normal(size=20_000)
    estimate = monotone_estimate(along**3, position)
    assert slope_bias(estimate, position) == pytest.approx(1 / 1.25 - 1, abs=0.01)
    assert np.sqrt(np.mean((estimate - position) ** 2)) == pytest.approx(np.sqrt(0.2), rel=0.02)
    np.testing.assert_allclose(monotone_estimate(-(along**3), position), estimate)


def test_the_slope_is_that_of_a_fit() -> None:
    generator = np.random.default_rng(4)
    position, estimate = generator.normal(size=(2, 50))
    assert slope_bias(estimate, position) == pytest.approx(np.polyfit(position, estimate, 1)[0] - 1)
