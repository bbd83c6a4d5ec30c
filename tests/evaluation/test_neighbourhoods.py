"""Neighbourhoods and information imbalance against their definitions, pair by pair and order by order."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from trimorph.evaluation.neighbourhoods import (
    Neighbours,
    information_imbalance,
    kept_by_chance,
    kept_neighbours,
)


def brute_imbalance(first: np.ndarray, second: np.ndarray, k: int) -> float:
    """2 / n times the mean rank in the second space of the k nearest of the first; no distances are equal."""
    total = []
    for i in range(len(first)):
        others = [j for j in range(len(first)) if j != i]
        by_first = sorted(others, key=lambda j: np.linalg.norm(first[i] - first[j]))
        by_second = sorted(others, key=lambda j: np.linalg.norm(second[i] - second[j]))
        total += [1 + by_second.index(j) for j in by_first[:k]]
    return 2 * float(np.mean(total)) / len(first)


@pytest.mark.parametrize("k", [1, 4])
def test_imbalance_is_the_mean_conditional_rank(k: int) -> None:
    generator = np.random.default_rng(0)
    first = generator.normal(size=(30, 3))
    second = np.concatenate([first[:, :1], generator.normal(size=(30, 1))], axis=1)
    a, b = Neighbours.of(first), Neighbours.of(second)
    found = information_imbalance(a, b, neighbours=k)
    assert found == pytest.approx(brute_imbalance(first, second, k))
    back = information_imbalance(b, a, neighbours=k)
    assert back == pytest.approx(brute_imbalance(second, first, k))


def test_points_equally_far_come_in_all_orders_alike() -> None:
    """The mean over every way to break the ties, one by one."""
    first, second = np.array([0.0, 0.0, 1.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0, 2.0, 2.0])
    n, k = 5, 2
    means = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        met = []
        for order in permutations(others):
            by_first = sorted(order, key=lambda j: abs(first[i] - first[j]))  # stable: ties as in order
            if any(abs(first[i] - first[a]) == abs(first[i] - first[b]) for a in order for b in order):
                met.append(by_first[:k])
        ranks = []
        for order in permutations(others):
            by_second = sorted(order, key=lambda j: abs(second[i] - second[j]))
            ranks.append({j: 1 + by_second.index(j) for j in others})
        mean_rank = {j: np.mean([rank[j] for rank in ranks]) for j in others}
        means.append(np.mean([mean_rank[j] for chosen in met for j in chosen]))
    a, b = Neighbours.of(first[:, None]), Neighbours.of(second[:, None])
    assert information_imbalance(a, b, neighbours=k) == pytest.approx(2 / n * np.mean(means))
    np.testing.assert_allclose(a.nearest(2).sum(1), 2.0)


def test_imbalance_knows_who_tells_more() -> None:
    """A square tells each of its sides; a side tells half of the square."""
    square = np.random.default_rng(1).uniform(size=(600, 2))
    whole, side = Neighbours.of(square), Neighbours.of(square[:, :1])
    other = Neighbours.of(np.random.default_rng(2).uniform(size=(600, 2)))
    assert information_imbalance(whole, whole, neighbours=1) == pytest.approx(2 / 600)
    assert information_imbalance(whole, side, neighbours=1) < 0.1
    assert 0.2 < information_imbalance(side, whole, neighbours=1) < 0.6
    assert information_imbalance(whole, other, neighbours=30) == pytest.approx(1.0, abs=0.03)


def test_kept_neighbours_are_common_ones() -> None:
    generator = np.random.default_rng(3)
    true = generator.normal(size=(40, 2))
    found = true + 0.3 * generator.normal(size=true.shape)
    k, common = 6, []
    for i in range(40):
        near = [set(np.argsort(np.linalg.norm(x - x[i], axis=1))[1 : k + 1]) for x in (true, found)]
        common.append(len(near[0] & near[1]) / k)
    a, b = Neighbours.of(found), Neighbours.of(true)
    assert kept_neighbours(a, b, neighbours=k) == pytest.approx(np.mean(common))
    assert kept_by_chance(b, neighbours=k) == pytest.approx(k / 39)


def test_few_states_are_kept_whole_and_known_by_chance() -> None:
    generator = np.random.default_rng(4)
    state = generator.integers(0, 4, 400)
    true = Neighbours.of(state[:, None].astype(float))
    perfect = Neighbours.of(state[:, None] + 1e-3 * generator.normal(size=(400, 2)))
    blind = Neighbours.of(generator.normal(size=(400, 2)))
    assert kept_neighbours(perfect, true, neighbours=20) == 1.0
    chance = kept_by_chance(true, neighbours=20)
    assert chance == pytest.approx(0.25, abs=0.02)
    assert kept_neighbours(blind, true, neighbours=20) == pytest.approx(chance, abs=0.02)


def test_a_space_without_distances_knows_nothing() -> None:
    same = Neighbours.of(np.ones((50, 3)))
    line = Neighbours.of(np.arange(50.0)[:, None])
    assert information_imbalance(same, line, neighbours=5) == pytest.approx(1.0)
    assert kept_neighbours(same, line, neighbours=5) == pytest.approx(kept_by_chance(line, neighbours=5))
