"""Places where particles are, for a series of maps: what a straight line through the mean would miss.

Letters: n particles, k modes, c coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.ndimage import uniform_filter1d
from scipy.spatial import cKDTree

PERCENTILES = (5.0, 27.5, 50.0, 72.5, 95.0)
"""Percentiles of the first coordinate around which maps are shown."""

REACH = 2.5
"""Percentiles to either side whose particles count to a place."""

BESIDE = 10
"""Particles before and after one along a coordinate that predict its latent."""


@dataclass(frozen=True, eq=False)
class Place:
    """Mean coordinates and mean latent of some particles around a percentile of the first coordinate."""

    percentile: float
    coordinate: Float[ndarray, " c"]
    z: Float[ndarray, " k"]


def places_along(coordinate: Float[ndarray, "n c"], z: Float[ndarray, "n k"]) -> list[Place]:
    """Places around :data:`PERCENTILES` of the first coordinate, of at least one particle each.

    Where there are more coordinates, a percentile may cut through several groups of particles: the place is
    then the densest quarter. The density at a mean latent is the mean of the particles' densities, as the
    model is linear.

    >>> z = np.stack([np.linspace(-1, 1, 1001), np.linspace(-1, 1, 1001) ** 2], axis=1)
    >>> [place.z.round(2).tolist() for place in places_along(z[:, :1], z)][:3]
    [[-0.9, 0.81], [-0.45, 0.2], [0.0, 0.0]]
    """
    order = np.argsort(coordinate[:, 0], kind="stable")
    found = []
    for percentile in PERCENTILES:
        first, last = (round((percentile + step) / 100 * (len(z) - 1)) for step in (-REACH, REACH))
        some = order[first : last + 1]
        if coordinate.shape[1] > 1:
            some = some[_densest_quarter(coordinate[some])]
        found.append(Place(percentile, coordinate[some].mean(0), z[some].mean(0)))
    return found


def predicted_share(along: Float[ndarray, " n"], z: Float[ndarray, "n k"]) -> float:
    """Share of the variance of latents that those just before and after a particle along a line predict.

    >>> angle = np.linspace(0, 6, 1000)
    >>> ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> predicted_share(angle, ring) > 0.99, predicted_share(ring[:, 0], ring) < 0.6
    (True, True)
    """
    sorted_z = z[np.argsort(along, kind="stable")].astype(np.float64)
    width = 2 * min(BESIDE, (len(z) - 1) // 2) + 1
    mean = uniform_filter1d(sorted_z, width, axis=0)
    others = (width * mean - sorted_z) / max(width - 1, 1)
    return 1 - float(((sorted_z - others) ** 2).sum() / ((z - z.mean(0)) ** 2).sum())


def _densest_quarter(point: Float[ndarray, "n c"]) -> Int[ndarray, " m"]:
    """The quarter of some points that lies closest together around one of them."""
    count = max(len(point) // 4, 1)
    distance, near = cKDTree(point).query(point, np.arange(1, count + 1))
    return np.asarray(near)[np.asarray(distance)[:, -1].argmin()]
