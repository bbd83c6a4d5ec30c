"""How far two labellings of the same particles agree, whatever the labels are called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True, eq=False)
class LabelMatch:
    """Labels of two kinds, how many particles have each pair of them, and which belong together.

    ``table`` (a, b) counts the particles with label ``first[i]`` and ``second[j]``; ``pairs`` (m, 2) holds
    the numbers i and j of the labels that are matched one to one so that as many particles as possible agree.
    Where there are more labels of one kind, some of them have no partner.
    """

    first: Int[ndarray, " a"]
    second: Int[ndarray, " b"]
    table: Int[ndarray, "a b"]
    pairs: Int[ndarray, "m 2"]

    @property
    def agreement(self) -> float:
        """Share of the particles whose labels belong together: 1 where the labellings are the same."""
        return float(self.table[self.pairs[:, 0], self.pairs[:, 1]].sum() / self.table.sum())

    @property
    def adjusted_rand(self) -> float:
        """Adjusted Rand index: 1 for the same partition, 0 on average for independent ones of these sizes.

        (sum C(n_ij, 2) - e) / ((sum C(a_i, 2) + sum C(b_j, 2)) / 2 - e) with
        e = sum C(a_i, 2) sum C(b_j, 2) / C(n, 2), a_i and b_j being the sizes of the classes.
        Source: Hubert & Arabie, Journal of Classification 2 (1985) 193, eq. 5.
        """
        table = self.table.astype(np.float64)
        both, rows, columns, all_pairs = (
            float((count * (count - 1) / 2).sum())
            for count in (table, table.sum(1), table.sum(0), table.sum(keepdims=True))
        )
        expected = rows * columns / all_pairs if all_pairs else 0.0
        most = 0.5 * (rows + columns)
        return 1.0 if most == expected else (both - expected) / (most - expected)


def match_labels(first: Int[ndarray, " n"], second: Int[ndarray, " n"]) -> LabelMatch:
    """Match two labellings one to one so that they agree on as many particles as possible.

    >>> found = match_labels(np.array([0, 0, 1, 1, 2, 2]), np.array([7, 7, 5, 5, 5, 9]))
    >>> found.table.tolist(), found.pairs.tolist(), round(found.agreement, 3)
    ([[0, 2, 0], [2, 0, 0], [1, 0, 1]], [[0, 1], [1, 0], [2, 2]], 0.833)
    """
    names, row = np.unique(first, return_inverse=True)
    others, column = np.unique(second, return_inverse=True)
    table = np.zeros((len(names), len(others)), np.int64)
    np.add.at(table, (row, column), 1)
    pairs = np.stack(linear_sum_assignment(table, maximize=True), axis=1)
    return LabelMatch(names, others, table, pairs)
