"""Scores on answers that are known."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.evaluation.recovery import (
    cluster_accuracy,
    latent_correlation,
    mean_fsc,
    principal_components,
)


def test_correlation_is_blind_to_rotation_and_scale_of_the_latent() -> None:
    generator = np.random.default_rng(0)
    angle = generator.uniform(size=500)
    z = np.stack([angle, 0.01 * generator.normal(size=500), 0.01 * generator.normal(size=500)], axis=1)
    turn = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    assert latent_correlation(7 * z @ turn, -angle) == pytest.approx(1.0, abs=1e-3)
    assert latent_correlation(generator.normal(size=(500, 3)), angle) < 0.2
    assert latent_correlation(np.zeros((500, 2)), angle) == 0.0


def test_components_are_ordered_by_variance() -> None:
    z = np.random.default_rng(1).normal(size=(200, 3)) * [1.0, 5.0, 2.0]
    spread = principal_components(z).std(0)
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
