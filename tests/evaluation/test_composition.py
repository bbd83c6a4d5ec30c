"""Scores of compositions: areas that are known, and pairs that are counted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from trimorph.core.errors import InputError
from trimorph.evaluation.composition import composition_auc, score_composition


def test_the_area_of_two_gaussians_is_known() -> None:
    generator = np.random.default_rng(0)
    label = np.arange(4000) % 2
    z = 1e-3 * generator.normal(size=(4000, 3))
    z[:, 1] += 1.5e-3 * label
    assert composition_auc(z, 7 - label) == pytest.approx(norm.cdf(1.5 / 2**0.5), abs=0.02)
    assert composition_auc(generator.normal(size=(4000, 2)), label) == pytest.approx(0.5, abs=0.04)


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    generator = np.random.default_rng(1)
    label = (generator.random(600) < 0.2).astype(int)
    z = generator.normal(size=(600, 1)) + label[:, None]
    pairs = z[label == 1] > z[label == 0].T
    assert composition_auc(z, label) == pytest.approx(pairs.mean(), abs=0.01)


def test_position_is_scored_within_each_composition_along_its_own_direction() -> None:
    generator = np.random.default_rng(2)
    position, label = np.tile(np.linspace(0, 60, 20), 100), np.repeat([0, 1], 1000)
    z = np.zeros((2000, 2))
    z[label == 0, 0] = position[label == 0]
    z[label == 1, 1] = -position[label == 1] - 100
    found = score_composition(z, label, position)
    assert found.auc == 1.0
    assert found.correlation == pytest.approx((1.0, 1.0))
    z[label == 1] = np.array([3.0, -100.0]) + generator.normal(size=(1000, 2))
    assert score_composition(z, label, position).correlation[1] < 0.12


def test_one_composition_cannot_be_told() -> None:
    with pytest.raises(InputError, match=r"Composition: found \{0: 20\} particles.*wanted two of at least 5"):
        composition_auc(np.zeros((20, 1)), np.zeros(20, int))
    with pytest.raises(InputError, match=r"found \{0: 17, 1: 3\}"):
        composition_auc(np.zeros((20, 1)), (np.arange(20) < 3).astype(int))
