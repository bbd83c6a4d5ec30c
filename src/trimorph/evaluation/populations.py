"""How far two distributions of states are apart: earth mover's distances on a line and round a circle."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import wasserstein_distance


def mover_on_line(found: Float[ndarray, " n"], true: Float[ndarray, " m"]) -> float:
    """Earth mover's distance of two samples on a line: the integral of |F - G|, in the samples' unit.

    It is the mean way that the particles of one distribution go to become the other.

    >>> mover_on_line(np.array([1.0, 2.0]), np.array([2.5, 1.5]))
    0.5
    """
    return float(wasserstein_distance(found, true))


def mover_on_circle(found: Float[ndarray, " n"], true: Float[ndarray, " m"]) -> float:
    """Earth mover's distance of two samples of angles (radians), each way taken the shorter way round.

    min_c of the integral of |F - G - c| over the circle, which is least for c the median of F - G.
    Source: Werman, Peleg, Melter & Kong, J. Algorithms 7 (1986) 425; Rabin, Delon & Gousseau, J. Math.
    Imaging Vis. 41 (2011) 147.

    >>> round(mover_on_circle(np.array([0.1, 3.0]), np.array([2 * np.pi - 0.1, 3.0])), 3)
    0.1
    """
    turn = 2 * np.pi
    place = np.concatenate([np.mod(found, turn), np.mod(true, turn)])
    step = np.concatenate([np.full(len(found), 1 / len(found)), np.full(len(true), -1 / len(true))])
    order = np.argsort(place)
    length = np.diff(place[order], append=place[order[0]] + turn)
    excess = np.cumsum(step[order])
    return float(length @ np.abs(excess - _median(excess, length)))


def share_moved(found: Float[ndarray, " k"], true: Float[ndarray, " k"]) -> float:
    """Share of the particles that must change class: half the sum of |p - q|, the shares being normalised.

    It is the earth mover's distance where every two classes are 1 apart.

    >>> round(share_moved(np.array([5.0, 5.0]), np.array([0.3, 0.7])), 3)
    0.2
    """
    return float(0.5 * np.abs(found / found.sum() - true / true.sum()).sum())


def _median(values: Float[ndarray, " n"], weight: Float[ndarray, " n"]) -> float:
    order = np.argsort(values)
    below = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(below, 0.5 * below[-1])]])
