"""States by density peaks: centres are denser than all around them, and far from what is denser still.

Letters: n particles, d latent components, m particles of a sample, k clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.run.clusters import nearest_of_each, refuse_count

SAMPLE = 4000
"""Particles among which densities are measured and centres looked for, drawn at random where there are more.
The others go with the nearest of these."""

NEAR, FEWEST = 0.02, 30
"""Share of all pairs of particles that are nearer than the cutoff distance; it is larger where that would
leave a particle with fewer near ones on average, so that densities are not mostly chance."""

SURE = 4.0
"""Standard errors by which a peak stands above the border to what is denser, if it is one. A density is a
number of near particles, and its standard error the root of that."""

AT_ONCE = 2_000_000
"""Distances that are in memory at a time when particles are put with their nearest."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """Density of each particle of a sample, its distance to the nearest denser one, and which that is.

    Of the densest, ``distance`` is that to the farthest of all, and it is its own ``denser``. ``cutoff`` is
    the distance that counts as near, and ``pairs`` are all that are as near.
    """

    density: Float[ndarray, " m"]
    distance: Float[ndarray, " m"]
    denser: Int[ndarray, " m"]
    cutoff: float
    pairs: Int[ndarray, "p 2"]

    def largest(self, count: int) -> Int[ndarray, " k"]:
        """The particles with the largest product of density and distance."""
        return np.argsort(-self.density * self.distance, kind="stable")[:count]

    def sure(self) -> Int[ndarray, " k"]:
        """Peaks that stand above their borders to denser ones by four standard errors.

        The border of two peaks is the largest mean density of two particles that are near, one with each.
        """
        peaks = np.flatnonzero((self.distance > self.cutoff) | (self.denser == np.arange(len(self.denser))))
        peaks = peaks[np.argsort(-self.density[peaks], kind="stable")]
        one, other = self.labels(peaks)[self.pairs].T
        border = np.zeros((len(peaks), len(peaks)))
        np.maximum.at(border, (one, other), self.density[self.pairs].mean(1))
        border = np.maximum(border, border.T)
        kept = []
        for own in range(len(peaks) - 1, 0, -1):  # the least dense first, into what is denser
            top, into = float(self.density[peaks[own]]), int(border[own, :own].argmax())
            if top - border[own, into] > SURE * np.sqrt(top + border[own, into]):
                kept.append(own)
                continue
            if border[own, into] > 0:
                border[into, :own] = np.maximum(border[into, :own], border[own, :own])
                border[:own, into] = border[into, :own]
        return peaks[[0, *reversed(kept)]]

    def labels(self, centre: Int[ndarray, " k"]) -> Int[ndarray, " m"]:
        """The cluster of every particle, that of its nearest denser one, in the order of the centres."""
        label = np.full(len(self.density), -1)
        label[centre] = np.arange(len(centre))
        for row in np.lexsort((self.denser != np.arange(len(label)), -self.density)):
            if label[row] < 0:
                label[row] = label[self.denser[row]]
        return label


def density_peaks(
    mean: Float[ndarray, "n d"], count: int | None, *, seed: int = 0
) -> tuple[Int[ndarray, " n"], Int[ndarray, " k"]]:
    """The cluster of every particle, and the density peak of each.

    ``count`` peaks are those with the largest product of density and distance to what is denser. Without it,
    they are those that stand above their borders by more than chance.
    Source: Rodriguez & Laio, Science 344 (2014) 1492, with their Gaussian kernel and borders, on a sample of
    the particles; which peaks are sure, after d'Errico et al., Information Sciences 560 (2021) 476.

    Errors: InputError for more peaks than there are different latents.
    """
    refuse_count(mean, 1 if count is None else count)
    rows = np.sort(np.random.default_rng(seed).permutation(len(mean))[:SAMPLE])
    some = mean[rows]
    refuse_count(some, 1 if count is None else count)
    found = find_peaks(some)
    centre = found.sure() if count is None else found.largest(count)
    label = found.labels(centre)[_nearest(mean, some)]
    far = np.ones(len(mean))
    far[rows[centre]] = 0.0  # a peak is its own centre
    label[rows[centre]] = np.arange(len(centre))
    return nearest_of_each(mean, label, far)


def find_peaks(some: Float[ndarray, "m d"]) -> Peaks:
    """Densities, the number of particles nearer than the cutoff, and the nearest denser particle of each.

    The cutoff d_c is the distance below which 2 % of all pairs are, or 30 others on average. Equal numbers
    are parted by the mean of exp(-(d / d_c)^2) over all particles, which is below one.

    >>> find_peaks(np.array([[0.0], [1.0], [1.5], [9.0]])).denser.tolist()
    [1, 2, 2, 2]
    """
    from scipy.spatial.distance import cdist

    apart = cdist(some, some).astype(np.float32)
    near = min(max(NEAR, FEWEST / len(some)), 1.0)
    cutoff = float(np.quantile(apart[:, :: max(1, len(some) // 1000)], near))
    cutoff = cutoff or float(apart.max()) or 1.0  # most pairs, or all, may be in one place
    smooth = np.array([np.exp(-((row / cutoff) ** 2)).mean() for row in apart], dtype=np.float64)
    density = (apart < cutoff).sum(1) - 1 + smooth
    rank = np.empty(len(some), np.int64)
    rank[np.argsort(-density, kind="stable")] = np.arange(len(some))
    distance, denser = np.empty(len(some)), np.arange(len(some))
    for row, far in enumerate(apart):
        allowed = np.where(rank < rank[row], far, np.inf)
        best = int(allowed.argmin())
        first = not np.isfinite(allowed[best])
        denser[row] = row if first else best
        distance[row] = far.max() if first else far[best]
    return Peaks(density, distance, denser, cutoff, np.argwhere(np.triu(apart < cutoff, 1)))


def _nearest(mean: Float[ndarray, "n d"], some: Float[ndarray, "m d"]) -> Int[ndarray, " n"]:
    """Which of some latents is nearest to each of all."""
    step, middle = max(1, AT_ONCE // len(some)), some.mean(0)
    one = (some - middle).astype(np.float32)
    half_square = 0.5 * (one**2).sum(1)
    parts = [
        (half_square - (mean[first : first + step] - middle).astype(np.float32) @ one.T).argmin(1)
        for first in range(0, len(mean), step)
    ]
    return np.concatenate(parts).astype(np.int64)
