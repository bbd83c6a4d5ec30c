"""How evenly a set of poses sees the object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DIRECTIONS = 2000
_VIEWS = 50000
TILT_BINS = 18


@dataclass(frozen=True)
class Coverage:
    """Distribution of view directions.

    ``tilt`` counts views by their angle from the object's z axis, in equal steps of 180 degrees / 18.
    ``compensation`` is the sampling compensation factor: 1 for even coverage, towards 0 where directions in
    Fourier space are seen by few views. ``unseen`` is the share of those that less than a tenth of the mean
    number of views see.
    """

    tilt: NDArray[np.int64]
    compensation: float
    unseen: float


def coverage(rotation: NDArray[np.float64]) -> Coverage:
    """Describe rotations (n, 3, 3).

    A view with direction v samples the Fourier directions k with v k = 0; S(k) is the number of views within
    a band around that plane over its mean for even coverage, and the factor is 1 / <1 / S>, with S at least
    0.01. The band is wider for few views, so that chance leaves few gaps.
    Source: Baldwin & Lyumkin, Prog. Biophys. Mol. Biol. 150 (2020) 160, eq. 9.

    >>> side = np.stack([np.diag([1.0, -1.0, -1.0]), np.eye(3)])
    >>> coverage(side).unseen > 0.5
    True
    """
    view = view_directions(rotation)
    angle = np.arccos(np.clip(view[:, 2], -1, 1))
    tilt, _ = np.histogram(angle, bins=TILT_BINS, range=(0, np.pi))
    band = float(np.clip(20 / len(view), 0.05, 0.25))
    view = view[:: max(1, len(view) // _VIEWS)]
    sphere, seen = _sphere(_DIRECTIONS), np.zeros(_DIRECTIONS)
    for some in np.array_split(view, max(1, len(view) // 4096)):
        seen += (np.abs(sphere @ some.T) < band).sum(axis=1)
    sampling = seen / (band * len(view))
    return Coverage(
        tilt=tilt,
        compensation=float(1 / np.mean(1 / np.maximum(sampling, 0.01))),
        unseen=float((sampling < 0.1).mean()),
    )


def view_directions(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors (n, 3) in the object along which the images are taken: R^T z."""
    return np.ascontiguousarray(rotation[:, 2, :])


def _sphere(count: int) -> NDArray[np.float64]:
    """Directions spread evenly over a sphere by the golden angle."""
    index = np.arange(count) + 0.5
    z, turn = 1 - 2 * index / count, np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), z], axis=1)
