"""How many particles are near the points of a path: where it runs through empty space.

Letters: n particles, d latent components, m points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

USUAL, FEWEST = 0.01, 5
"""Share of the particles that are near a usual one, and how many there are at least."""

EMPTY = 0.1
"""Share of the usual number of particles below which a place is empty."""

LOOKED_AT, COMPARED = 500, 20_000
"""Particles whose neighbourhood is looked at, and with how many it is compared, at most."""


@dataclass(frozen=True, eq=False)
class Crowd:
    """Particles within ``radius`` of each point, and the distance to the nearest.

    Half of all particles have ``usual`` or more of the ``total`` within the same radius.
    """

    near: Int[ndarray, " m"]
    nearest: Float[ndarray, " m"]
    radius: float
    usual: int
    total: int

    @property
    def empty(self) -> Bool[ndarray, " m"]:
        """Where there are less than a tenth of the usual particles."""
        return self.near < EMPTY * self.usual

    @property
    def verdict(self) -> str:
        """What is to be said to a user, in a sentence."""
        usual = f"half of all particles have {self.usual} or more of {self.total} within {self.radius:.3g}"
        if not self.empty.any():
            return (
                f"{_range(self.near)} particles near every point ({usual}): no part of "
                "the path runs through empty space"
            )
        which = _spans(np.flatnonzero(self.empty) + 1)
        return (
            f"the path runs through empty space: {_range(self.near[self.empty])} particles near {which} of "
            f"{len(self.near)}, where {usual}. What a model draws there is a guess between what it has seen"
        )


def crowd(mean: Float[ndarray, "n d"], z: Float[ndarray, "m d"], *, seed: int = 0) -> Crowd:
    """Particles near points, where near is within the radius that has a hundredth of all about a usual one.

    >>> found = crowd(np.linspace(0.0, 1.0, 101)[:, None], np.array([[0.505], [3.0]]))
    >>> found.usual, round(found.radius, 2), found.near.tolist(), found.empty.tolist()
    (5, 0.03, [6, 0], [False, True])
    """
    from scipy.spatial.distance import cdist

    usual = min(max(round(USUAL * len(mean)), FEWEST), len(mean) - 1)
    some = mean[np.random.default_rng(seed).permutation(len(mean))[:COMPARED]]
    asked = min(max(round(usual * len(some) / len(mean)), 1), len(some) - 1)
    # itself is the nearest of each
    reach = np.partition(cdist(some[:LOOKED_AT], some), asked, axis=1)[:, asked]
    radius = float(np.median(reach))
    near, nearest = np.empty(len(z), np.int64), np.empty(len(z))
    for number, point in enumerate(z):
        apart = np.sqrt(((mean - point) ** 2).sum(1))
        near[number], nearest[number] = (apart <= radius).sum(), apart.min()
    return Crowd(near, nearest, radius, usual, len(mean))


def _range(numbers: Int[ndarray, " e"]) -> str:
    """The least and the largest number as words.

    >>> _range(np.array([3, 1])), _range(np.array([0, 0]))
    ('1 to 3', 'no')
    """
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low} to {high}" if low < high else str(low or "no")


def _spans(numbers: Int[ndarray, " e"]) -> str:
    """Numbers as words, with runs put together.

    >>> _spans(np.array([2, 3, 4, 9])), _spans(np.array([5]))
    ('points 2 to 4 and 9', 'point 5')
    """
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    words = [f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    both = " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    return f"point{'s' if len(numbers) > 1 else ''} {both}"
