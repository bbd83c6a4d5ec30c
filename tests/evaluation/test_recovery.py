"""Scores on answers that are known."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.core.errors import InputError
from trimorph.evaluation.recovery import (
    cluster_accuracy,
    component_scores,
    latent_correlation,
    mean_fsc,
    neighbour_correlation,
)


def test_correlation_is_blind_to_rotation_and_scale_of_the_latent() -> None:
    generator = np.random.default_rng(0)
    angle = generator.uniform(size=500)
    z = np.stack([angle, 0.01 * generator.normal(size=500), 0.01 * generator.normal(size=500)], axis=1)
    turn = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    assert latent_correlation(7 * z @ turn, -angle) == pytest.approx(1.0, abs=1e-3)
    assert latent_correlation(generator.normal(size=(500, 3)), angle) < 0.2
    assert latent_correlation(np.zeros((500, 2)), angle) == 0.0


def test_neighbours_follow_a_curve_that_no_component_does() -> None:
    generator = np.random.default_rng(4)
    angle = generator.uniform(0, 1.75 * np.pi, 1000)
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert latent_correlation(arc, angle) < 0.9
    assert neighbour_correlation(arc, angle) > 0.998
    assert neighbour_correlation(arc, -angle) > 0.998  # a prediction has the coordinate's own sign
    turn = np.linalg.qr(generator.normal(size=(2, 2)))[0]
    assert neighbour_correlation(5 * arc @ turn + 3, angle) == pytest.approx(
        neighbour_correlation(arc, angle)
    )


def test_neighbours_predict_what_they_can() -> None:
    """Latents of variance 1 and coordinate = first latent + noise of variance 3: Pearson 1/2 at best."""
    generator = np.random.default_rng(5)
    z = generator.normal(size=(4000, 1))
    coordinate = z[:, 0] + np.sqrt(3) * generator.normal(size=4000)
    rank = 6 / np.pi * np.arcsin(0.5 / 2)  # Spearman of a Gaussian pair
    assert neighbour_correlation(z, coordinate, neighbours=200) == pytest.approx(rank, abs=0.03)
    # the mean over m neighbours carries noise of variance 3 / m: correlation 1 / sqrt(4 (1 + 3 / m))
    few = 6 / np.pi * np.arcsin(0.5 / np.sqrt(1 + 3 / 2) / 2)
    assert neighbour_correlation(z, coordinate, neighbours=2) == pytest.approx(few, abs=0.03)


def test_neighbours_do_not_tell_their_own_answer() -> None:
    generator = np.random.default_rng(6)
    coordinate = generator.uniform(size=2000)
    assert abs(neighbour_correlation(generator.normal(size=(2000, 4)), coordinate)) < 0.07
    assert abs(neighbour_correlation(generator.normal(size=(2000, 4)), coordinate, neighbours=1)) < 0.07
    assert neighbour_correlation(np.ones((2000, 2)), coordinate) == 0.0
    assert neighbour_correlation(generator.normal(size=(50, 2)), np.ones(50)) == 0.0


def test_neighbours_may_be_fewer_than_asked() -> None:
    line = np.arange(10.0)
    assert neighbour_correlation(line[:, None], line, neighbours=1) > 0.9
    assert -1 <= neighbour_correlation(line[:, None], line) <= 1
    with pytest.raises(InputError, match="Found 3 latents and 5 folds; wanted"):
        neighbour_correlation(line[:3, None], line[:3])


def test_components_are_ordered_by_variance() -> None:
    z = np.random.default_rng(1).normal(size=(200, 3)) * [1.0, 5.0, 2.0]
    spread = component_scores(z).std(0)
    assert (np.diff(spread) < 0).all()
    assert np.sum(spread**2) == pytest.approx(z.var(0).sum())


def test_accuracy_matches_clusters_to_classes() -> None:
    generator = np.random.default_rng(2)
    label = generator.integers(0, 3, 300)
    centre = np.array([[0.0, 9.0], [9.0, 0.0], [-9.0, -9.0]])
    z = centre[label] + 0.1 * generator.normal(size=(300, 2))
    assert cluster_accuracy(z, label) == 1.0
    wrong = label.copy()
    wrong[:30] = (wrong[:30] + 1) % 3
    assert cluster_accuracy(z, wrong) == pytest.approx(0.9)


def test_fsc_of_a_map_with_itself_and_with_noise() -> None:
    generator = np.random.default_rng(3)
    density = generator.normal(size=(2, 16, 16, 16)).astype(np.float32)
    assert mean_fsc(density, 3 * density) == pytest.approx(1.0, abs=1e-5)
    other = generator.normal(size=(2, 16, 16, 16)).astype(np.float32)
    assert abs(mean_fsc(density, other)) < 0.2
