"""A chart's coordinate by the length of its curve, where that length is known."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.methods.chart_length import by_length
from trimorph.methods.latent_chart import LatentChart


def spiral(way: np.ndarray) -> np.ndarray:
    """Points of a helix, whose length is in proportion to the angle."""
    return np.stack([np.cos(way), np.sin(way), 0.3 * way], axis=1)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_steps_are_those_of_the_curve(noise: float) -> None:
    """Whatever the coordinate was, and though particles are five times as many here as there."""
    generator = np.random.default_rng(0)
    share = np.sort(generator.random(3000))
    way = 5 * (share + 0.1 * np.sin(2 * np.pi * share))
    mean = spiral(way) + noise * generator.normal(size=(3000, 3))
    landmark = np.sort(generator.permutation(3000)[:2000])
    slow = way[landmark] ** 3
    chart = LatentChart(landmark, ((slow - slow.mean()) / slow.std())[:, None], 0.1)
    found = by_length(chart, mean)
    first, true = found.coordinate[:, 0], way[landmark]
    np.testing.assert_allclose(first, (true - true.mean()) / true.std(), atol=0.05)
    assert bool((np.diff(first) > 0).all())
    assert first.mean() == pytest.approx(0.0, abs=1e-9)
    assert first.std() == pytest.approx(1.0)
    assert found.unexplained == 0.1


@pytest.mark.parametrize("count", [0, 2])
def test_other_charts_stay(count: int) -> None:
    chart = LatentChart(np.arange(60), np.random.default_rng(0).normal(size=(60, count)), 0.5)
    assert by_length(chart, np.zeros((60, 3))) is chart


def test_latents_that_are_all_alike_leave_the_order() -> None:
    chart = LatentChart(np.arange(60), np.linspace(-1, 1, 60)[:, None], 0.5)
    assert by_length(chart, np.ones((60, 3))) is chart
