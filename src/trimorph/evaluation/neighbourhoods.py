"""What near particles of one space have to do with near ones of another: latents, truth, pose, CTF.

A space is a table (n, c) of coordinates with Euclidean distances. Points that are equally far, as those of a
truth with few states are, are taken in all orders alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

_DIGITS = 10
"""Distances that agree to so many digits of the largest are equal."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Distances between all points of a space, in units of the largest; a point is no neighbour of itself.

    >>> line = Neighbours.of(np.array([[0.0], [1.0], [3.0], [6.0]]))
    >>> line.ranks()[0].tolist(), line.nearest(2)[1].tolist()
    ([0.0, 1.0, 2.0, 3.0], [1.0, 0.0, 1.0, 0.0])
    """

    distance: Float[ndarray, "n n"]

    @classmethod
    def of(cls, space: Float[ndarray, "n c"]) -> Neighbours:
        """The distances of a space."""
        distance = cdist(space, space)
        distance = np.round(distance / max(distance.max(), 1e-300), _DIGITS)
        np.fill_diagonal(distance, np.inf)
        return cls(distance)

    def __len__(self) -> int:
        return len(self.distance)

    def ranks(self) -> Float[ndarray, "n n"]:
        """Rank of j among the neighbours of i, from 1, and 0 for i itself; equals share their mean rank."""
        ranks = rankdata(self.distance, axis=1)
        np.fill_diagonal(ranks, 0.0)
        return np.asarray(ranks)

    def nearest(self, count: int) -> Float[ndarray, "n n"]:
        """How often j is among the ``count`` nearest of i, over all orders of those equally far.

        Rows sum to ``count``.
        """
        last = self._reach(count)
        within, at = self.distance < last, self.distance == last
        left = count - within.sum(1, keepdims=True)
        return within + at * (left / at.sum(1, keepdims=True))

    def within(self, count: int) -> Float[ndarray, "n n"]:
        """Whether j is no farther from i than the ``count``-th neighbour of i."""
        return (self.distance <= self._reach(count)).astype(np.float64)

    def _reach(self, count: int) -> Float[ndarray, "n 1"]:
        return np.partition(self.distance, count - 1, axis=1)[:, count - 1 : count]


def information_imbalance(first: Neighbours, second: Neighbours, *, neighbours: int) -> float:
    """How badly the nearest neighbours of the first space predict those of the second.

    2 / n times the mean rank, in the second space, of the k nearest neighbours in the first: 1 where the
    first tells nothing of the second, and (k + 1) / n, close to 0, where it tells all. It is not symmetric.
    Source: Glielmo, Zeni, Cheng, Csanyi & Laio, PNAS Nexus 1 (2022) pgac039, eq. 1, averaged over k.

    >>> line = Neighbours.of(np.arange(40.0)[:, None] ** 2)
    >>> round(information_imbalance(line, line, neighbours=1), 3)
    0.05
    """
    met = (first.nearest(neighbours) * second.ranks()).sum(1) / neighbours
    return float(2 * met.mean() / len(first))


def kept_neighbours(found: Neighbours, true: Neighbours, *, neighbours: int) -> float:
    """Share of the k nearest neighbours in one space that are no farther than the k-th in the true one.

    1 where all neighbourhoods are kept. Where no distances are equal it is the share of common neighbours.
    Source: the neighbourhood similarity of CryoBench (Jeon et al., 2024), and of Boggust et al. (2022).
    """
    return float((found.nearest(neighbours) * true.within(neighbours)).sum(1).mean() / neighbours)


def kept_by_chance(true: Neighbours, *, neighbours: int) -> float:
    """What :func:`kept_neighbours` is on average for a space that knows nothing of the true one."""
    return float(true.within(neighbours).sum(1).mean() / (len(true) - 1))
