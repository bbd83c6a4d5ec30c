"""Ladder: bandwidths around a point, and how little must be summed to have all of them.

Letters: n particles, b rungs, k knots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.errors import InputError

LEAST = 100
"""Particles that the narrowest rung holds."""

STEP = 2.0
"""By how much each rung has more particles than the one below."""


@dataclass(frozen=True, eq=False)
class Ladder:
    """Bandwidths h around a point, rising, and last an infinite one, of which all particles are.

    A particle at ``distance`` d counts with ``weight`` (1 - d^2 / h^2), not at all beyond h (Epanechnikov).

    As functions of u = d^2 these kernels are straight between zero and h^2, so each is a sum of hats that are
    straight between the same knots, u = 0 and the squares of all finite bandwidths but the last. A particle
    is under two hats, however many rungs there are:

    >>> ladder = Ladder(np.array([0.0, 1.0, 1.5, 9.0]), np.ones(4), np.array([1.0, 2.0, np.inf]))
    >>> ladder.kernels().round(3)
    array([[1.   , 0.   , 0.   , 0.   ],
           [1.   , 0.75 , 0.438, 0.   ],
           [1.   , 1.   , 1.   , 1.   ]])
    >>> bool(np.allclose(ladder.from_knots() @ ladder.knots(), ladder.kernels()))
    True
    """

    distance: Float[ndarray, " n"]
    weight: Float[ndarray, " n"]
    bandwidth: Float[ndarray, " b"]

    @property
    def number(self) -> Int[ndarray, " b"]:
        """Particles that each rung holds."""
        used = np.sort(self.distance[self.weight > 0])
        return np.searchsorted(used, self.bandwidth)

    def kernels(self) -> Float[ndarray, "b n"]:
        """Weights of the particles on each rung."""
        inside = 1 - (self.distance / self.bandwidth[:, None]) ** 2
        return inside.clip(0) * self.weight

    def effective(self) -> Float[ndarray, "b b"]:
        """Products of the rungs' weights, summed over particles and divided by the sums of both.

        On the diagonal they are one over the number of particles of equal weight that have as little noise.
        """
        kernel = self.kernels() / self.kernels().sum(1, keepdims=True)
        return kernel @ kernel.T

    def knots(self) -> Float[ndarray, "b n"]:
        """Weights of the particles under the hats, rising, and last those of all, whatever their distance."""
        edge = np.concatenate([[0.0], self.bandwidth[:-1] ** 2])
        place = self.distance**2
        hats = np.stack(
            [np.interp(place, edge, row, right=0.0) for row in np.eye(len(edge))[:-1]] or [place[:0]]
        )
        return np.concatenate([hats.reshape(-1, len(place)), np.ones((1, len(place)))]) * self.weight

    def from_knots(self) -> Float[ndarray, "b b"]:
        """What each rung (a row) takes of the sums under the hats, and of that of all."""
        finite = self.bandwidth[:-1] ** 2
        knot = np.concatenate([[0.0], finite[:-1]])[: len(finite)]
        shares = (1 - knot / finite[:, None]).clip(0)
        whole = np.zeros((len(self.bandwidth), len(self.bandwidth)))
        whole[:-1, :-1] = shares
        whole[-1, -1] = 1.0
        return whole


def ladder_around(
    distance: Float[ndarray, " n"],
    weight: Float[ndarray, " n"],
    sets: Int[ndarray, " n"],
    *,
    least: int = LEAST,
    narrowest: float = 0.0,
    most: int | None = None,
) -> Ladder:
    """The ladder whose narrowest rung holds the ``least`` nearest particles, with twice as many on the next.

    None is narrower than ``narrowest``: nearer than their latents are known, particles are no more alike, and
    are chosen by their noise. Particles of weight zero are left out. Rungs with less than a quarter of
    ``least`` in a half set (1, 2) are, too; ``most`` is how many finite rungs there may be. Where there are
    few particles, or all are at the point, the infinite rung is the only one.

    Errors: InputError for a number below 1.
    """
    if least < 1:
        raise InputError(f"Found {least} particles around a point as the least; wanted 1 or more.")
    used = np.sort(distance[weight > 0])
    numbers = [max(least, int(np.searchsorted(used, narrowest)))]
    while STEP * numbers[-1] < len(used):
        numbers.append(int(STEP * numbers[-1]))
    found = np.unique([used[number] for number in numbers if number < len(used)])
    found = found[found > 0]
    inside = [(weight > 0) & (distance < width) for width in found]
    enough = [min(int((sets[rows] == half).sum()) for half in (1, 2)) >= least / 4 for rows in inside]
    found = found[np.array(enough, dtype=bool)]
    if most is not None and len(found) > most:
        found = found[_spread(len(found), most)]
    return Ladder(distance, weight, np.append(found, np.inf))


def _spread(count: int, most: int) -> Sequence[int]:
    """So many of ``count`` numbers, evenly, with the first and the last."""
    return np.linspace(0, count - 1, most).round().astype(int).tolist() if most > 1 else [count // 2]
