"""Angles: the correlation by its definition over pairs, and its known values."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.data.angles import angular_difference, circular_correlation


def test_the_shorter_way_round() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.uniform(-20, 20, (2, 1000))
    found = angular_difference(a, b)
    assert (np.abs(found) <= np.pi).all()
    np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * (a - b)), atol=1e-12)


@pytest.mark.parametrize("spread", [0.3, 6.3])
def test_correlation_is_that_over_all_pairs(spread: float) -> None:
    generator = np.random.default_rng(1)
    a = generator.uniform(0, spread, 60)
    b = 1.3 - a + generator.normal(size=60)
    i, j = np.triu_indices(60, 1)
    top = (np.sin(a[i] - a[j]) * np.sin(b[i] - b[j])).sum()
    bottom = np.sqrt((np.sin(a[i] - a[j]) ** 2).sum() * (np.sin(b[i] - b[j]) ** 2).sum())
    assert circular_correlation(a, b) == pytest.approx(top / bottom, abs=1e-12)


def test_known_values() -> None:
    generator = np.random.default_rng(2)
    a = generator.uniform(0, 2 * np.pi, 200_000)
    assert circular_correlation(a, a + 2.0) == pytest.approx(1.0)
    assert circular_correlation(a, 2.0 - a) == pytest.approx(-1.0)
    error = generator.normal(scale=0.5, size=len(a))  # |mean exp(i e)|^2 = exp(-0.25)
    assert circular_correlation(a, a + error) == pytest.approx(np.exp(-0.25), abs=5e-3)
    assert abs(circular_correlation(a, generator.permutation(a))) < 5e-3
    assert abs(circular_correlation(a, 2 * a)) < 5e-3  # winds twice
    assert circular_correlation(a, np.full(len(a), 0.3)) == 0.0
    near = generator.normal(scale=1e-3, size=(2, 1000))  # close together it is Pearson's
    near[1] += near[0]
    assert circular_correlation(*near) == pytest.approx(np.corrcoef(near)[0, 1], abs=1e-5)
