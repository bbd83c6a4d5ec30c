"""Scores of angles, by known answers and by trying every turn."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.data.angles import angular_difference, circular_correlation
from trimorph.evaluation.circular import (
    align_angles,
    latent_angle,
    neighbour_angle_correlation,
    score_circle,
)

ANGLE = np.deg2rad(10.0 * np.repeat(np.arange(36), 20))
EVERY = np.ones(len(ANGLE), bool)


def ring(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_circles_turned_mirrored_stretched_shifted_and_in_company() -> None:
    generator = np.random.default_rng(0)
    z = np.concatenate(
        [ring(1.0 - ANGLE) * [3.0, 0.2] + [7.0, 0.0], 0.5 * generator.normal(size=(720, 2))], 1
    )
    for latents in (z[:, :2], z, z @ np.linalg.qr(generator.normal(size=(4, 4)))[0]):
        found = score_circle(latents, ANGLE, EVERY)
        assert found.correlation > 0.999
        assert found.error < np.deg2rad(2.0)
        assert found.shown_error == found.error


def test_the_error_is_that_of_the_angle() -> None:
    generator = np.random.default_rng(1)
    error = generator.normal(scale=0.3, size=720)
    found = score_circle(ring(ANGLE + error + 1.0), ANGLE, EVERY)
    assert found.error == pytest.approx(np.median(np.abs(error)), rel=0.05)
    assert found.correlation == pytest.approx(np.exp(-(0.3**2)), abs=0.01)


@pytest.mark.parametrize("sign", [1, -1])
def test_no_turn_or_reflection_is_better(sign: int) -> None:
    generator = np.random.default_rng(2)
    found = sign * ANGLE + 2.0 + generator.normal(scale=0.7, size=720)
    tried = [
        np.cos(s * found + turn - ANGLE).mean()
        for s in (1, -1)
        for turn in np.deg2rad(np.arange(0, 360, 0.5))
    ]
    assert np.cos(align_angles(found, ANGLE) - ANGLE).mean() == pytest.approx(max(tried), abs=1e-4)
    assert np.median(np.abs(angular_difference(align_angles(found, ANGLE), ANGLE))) < 0.6


def test_edge_on_views_that_mistake_an_angle_for_its_mirror_image() -> None:
    generator = np.random.default_rng(3)
    shown = generator.random(720) > 0.3
    mistaken = ~shown & (generator.random(720) < 0.5)
    axis = generator.uniform(0, np.pi, 720)  # of the mirror, by the view
    z = ring(np.where(mistaken, 2 * axis - ANGLE, ANGLE))
    found = score_circle(z, ANGLE, shown)
    assert found.shown_correlation > 0.99
    assert found.shown_error < np.deg2rad(3)
    assert found.correlation == pytest.approx(0.85**2, abs=0.05)


def test_latents_without_a_circle_score_nothing() -> None:
    generator = np.random.default_rng(4)
    found = score_circle(generator.normal(size=(720, 3)), ANGLE, EVERY)
    assert found.correlation < 0.05
    assert found.error == pytest.approx(np.pi / 2, abs=0.3)
    line = score_circle(np.cos(ANGLE)[:, None], ANGLE, EVERY)  # one of two coordinates: no way round
    assert line.correlation < 0.6
    assert score_circle(np.ones((720, 2)), ANGLE, EVERY).correlation == 0.0
    assert np.isnan(score_circle(ring(ANGLE), ANGLE, ~EVERY).shown_error)


def test_neighbours_know_an_angle_however_it_is_laid_out() -> None:
    generator = np.random.default_rng(5)
    angle = generator.uniform(0, 2 * np.pi, 1500)
    knot = np.stack([np.sin(angle) + 2 * np.sin(2 * angle), np.cos(angle) - 2 * np.cos(2 * angle),
                     -np.sin(3 * angle)], axis=1)  # fmt: skip
    assert neighbour_angle_correlation(knot, angle) > 0.98
    assert abs(circular_correlation(latent_angle(knot[:, ::2], angle), angle)) < 0.98
    assert abs(neighbour_angle_correlation(generator.normal(size=(1500, 2)), angle)) < 0.05
    assert neighbour_angle_correlation(np.ones((1500, 2)), angle) == 0.0
