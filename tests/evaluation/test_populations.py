"""Earth mover's distances against the best assignment of single particles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from trimorph.evaluation.populations import mover_on_circle, mover_on_line, share_moved


def best_assignment(cost: np.ndarray) -> float:
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())


def test_on_a_line_it_is_the_best_assignment() -> None:
    generator = np.random.default_rng(0)
    found, true = generator.normal(size=40), generator.uniform(-2, 3, 40)
    assert mover_on_line(found, true) == pytest.approx(best_assignment(np.abs(found[:, None] - true)))
    assert mover_on_line(true + 0.3, true) == pytest.approx(0.3)


@pytest.mark.parametrize("seed", range(5))
def test_on_a_circle_it_is_the_best_assignment_by_arcs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    found = generator.normal(0.0, 0.8, 40)
    true = generator.uniform(0, 2 * np.pi, 40) if seed % 2 else generator.normal(5.5, 0.4, 40)
    arc = np.abs((found[:, None] - true + np.pi) % (2 * np.pi) - np.pi)
    assert mover_on_circle(found, true) == pytest.approx(best_assignment(arc))
    turned = mover_on_circle(found + 1.7 + 2 * np.pi, true + 1.7)
    assert turned == pytest.approx(mover_on_circle(found, true))


def test_a_circle_of_unequal_numbers_counts_shares() -> None:
    true = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    assert mover_on_circle(np.tile(true, 3), true) == pytest.approx(0.0, abs=1e-12)
    assert mover_on_circle(np.zeros(7), true) == pytest.approx(np.pi / 2)


def test_classes_are_all_one_apart() -> None:
    assert share_moved(np.array([10.0, 20.0, 30.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(0.0)
    assert share_moved(np.array([0.0, 4.0]), np.array([1.0, 1.0])) == pytest.approx(0.5)
