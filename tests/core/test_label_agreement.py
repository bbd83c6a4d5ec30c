"""Agreement of labellings against brute force over all permutations and all pairs."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from trimorph.core.label_agreement import match_labels


def test_agreement_is_the_best_of_all_permutations() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 4, 60), generator.integers(0, 4, 60)
    best = max(np.mean(np.array(turn)[first] == second) for turn in permutations(range(4)))
    assert match_labels(first, second).agreement == pytest.approx(best)
    assert match_labels(second, first).agreement == pytest.approx(best)


def test_names_of_labels_do_not_matter() -> None:
    label = np.random.default_rng(1).integers(0, 5, 200)
    renamed = np.array([30, -7, 12, 5, 99])[label]
    found = match_labels(label, renamed)
    assert found.agreement == found.adjusted_rand == 1.0
    assert {(found.first[i], found.second[j]) for i, j in found.pairs} == {
        (0, 30), (1, -7), (2, 12), (3, 5), (4, 99),
    }  # fmt: skip


def test_a_label_without_partner_agrees_with_none() -> None:
    found = match_labels(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 2, 2, 2]))
    assert found.agreement == pytest.approx(5 / 6)
    assert len(found.pairs) == 2


def test_adjusted_rand_counts_pairs() -> None:
    generator = np.random.default_rng(2)
    first = generator.integers(0, 3, 40)
    second = np.where(generator.uniform(size=40) < 0.6, first, generator.integers(0, 5, 40))
    pairs = list(combinations(range(40), 2))
    alike = np.array([first[i] == first[j] for i, j in pairs])
    other = np.array([second[i] == second[j] for i, j in pairs])
    expected = alike.sum() * other.sum() / len(pairs)
    brute = ((alike & other).sum() - expected) / (0.5 * (alike.sum() + other.sum()) - expected)
    assert match_labels(first, second).adjusted_rand == pytest.approx(brute)
    chance = [match_labels(first, generator.permutation(second)).adjusted_rand for _ in range(300)]
    assert abs(np.mean(chance)) < 0.01
    assert match_labels(np.zeros(5, int), np.zeros(5, int)).adjusted_rand == 1.0
    assert match_labels(np.zeros(1, int), np.zeros(1, int)).adjusted_rand == 1.0
