"""Angles on a circle: differences, means and correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def angular_difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Difference a - b in radians, taken the shorter way round: within [-pi, pi).

    >>> np.rad2deg(angular_difference(np.deg2rad([10.0]), np.deg2rad([350.0]))).round().tolist()
    [20.0]
    """
    return (a - b + np.pi) % (2 * np.pi) - np.pi


def circular_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Correlation of two series of angles in radians, from -1 (mirrored) to 1 (turned).

    rho = sum sin(a_i - a_j) sin(b_i - b_j) / sqrt(sum sin^2(a_i - a_j) sum sin^2(b_i - b_j)) over i < j,
    here from eight sums over the angles. It needs no mean directions, which angles all round the circle
    do not have. It is 1 where b = a + c and -1 where b = c - a; for a uniform and an error e = b - a
    independent of it, rho = |mean exp(i e)|^2, about 1 - var(e). It is 0 where either series is constant.
    Source: Fisher & Lee, Biometrika 70 (1983) 327; Fisher, Statistical Analysis of Circular Data (1993),
    eq. 6.36.

    >>> angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    >>> round(circular_correlation(angle, 1.0 - angle), 6)
    -1.0
    """
    count = len(a)
    product = (np.cos(a) @ np.cos(b)) * (np.sin(a) @ np.sin(b))
    product -= (np.cos(a) @ np.sin(b)) * (np.sin(a) @ np.cos(b))
    spread = [
        max(count**2 - np.cos(2 * angle).sum() ** 2 - np.sin(2 * angle).sum() ** 2, 0.0) for angle in (a, b)
    ]
    if min(spread) <= 1e-9 * count**2:
        return 0.0
    return float(4 * product / np.sqrt(spread[0] * spread[1]))
