"""Places along the first latent where particles are: what a straight line through the mean would miss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

PERCENTILES = (5.0, 27.5, 50.0, 72.5, 95.0)
"""Percentiles of the first latent around which maps are shown."""

REACH = 2.5
"""Percentiles to either side whose particles count to a place."""


@dataclass(frozen=True, eq=False)
class Place:
    """Mean latent of the particles around a percentile of the first component."""

    percentile: float
    z: Float[ndarray, " k"]


def places_along(z: Float[ndarray, "n k"]) -> list[Place]:
    """Mean latents around :data:`PERCENTILES` of the first component, of at least one particle each.

    The density at a mean latent is the mean of the particles' densities, as the model is linear.

    >>> z = np.stack([np.linspace(-1, 1, 1001), np.linspace(-1, 1, 1001) ** 2], axis=1)
    >>> [place.z.round(2).tolist() for place in places_along(z)][:3]
    [[-0.9, 0.81], [-0.45, 0.2], [0.0, 0.0]]
    """
    order = np.argsort(z[:, 0], kind="stable")
    found = []
    for percentile in PERCENTILES:
        first, last = (round((percentile + step) / 100 * (len(z) - 1)) for step in (-REACH, REACH))
        found.append(Place(percentile, z[order[first : last + 1]].mean(0)))
    return found
