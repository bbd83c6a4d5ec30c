"""The test: do the modes of each half of the particles say the same of both halves of the other's pixels?

Letters: n particles, k modes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from trimorph.data.orientations import view_directions
from trimorph.evaluation.shuffles import copies_of, shuffle_within, view_bins
from trimorph.evaluation.validate_images import SeenImages
from trimorph.evaluation.validate_modes import find_modes, shared_span
from trimorph.evaluation.validate_scores import Scores, Whitened
from trimorph.methods.variance_mask import particle_ball


@dataclass(frozen=True, eq=False)
class SideTest:
    """What one half set's modes, in their own order, are worth for the images of the other.

    ``z`` (k,) is the sum over images of :attr:`Scores.product`, less its mean over shuffles within bins of
    views, over its standard deviation where both halves of the pixels know nothing of each other;
    ``correlation`` is that between these halves; ``variance`` that of density along the mode, from it;
    ``shuffled`` the share of shuffles that reach the sum, at least 1 / (shuffles + 1); ``inside`` the cosine
    of each mode with the space of the other half set's, ``alike`` the number of the nearest of those.
    """

    modes: Float[Tensor, "k c c c"]
    scores: Scores
    rows: Int[ndarray, " n"]
    z: Float[ndarray, " k"]
    correlation: Float[ndarray, " k"]
    variance: Float[ndarray, " k"]
    shuffled: Float[ndarray, " k"]
    inside: Float[ndarray, " k"]
    alike: Int[ndarray, " k"]


@dataclass(frozen=True, eq=False)
class PairTest:
    """Both sides of a test: modes of half set 1 for images of 2, and the other way round."""

    sides: tuple[SideTest, SideTest]
    mean: Float[Tensor, "c c c"]

    @property
    def z(self) -> Float[ndarray, " k2"]:
        """All z of both sides."""
        return np.concatenate([side.z for side in self.sides])


def linear_test(
    images: SeenImages, *, modes: int, shuffles: int, seed: int, mask: Float[Tensor, "c c c"] | None = None
) -> tuple[PairTest, Whitened]:
    """Find modes in each half set, and test them on the other: the quick plan, from images to z."""
    mean = images.mean()
    seen = Whitened.of(images, mean)
    if mask is None:
        mask = particle_ball(images.box, images.pixel_size, radius=images.radius)
    found = [
        find_modes(seen, np.flatnonzero(images.half == side), count=modes, mask=mask, seed=seed + side)
        for side in (0, 1)
    ]
    return pair_test(seen, (found[0], found[1]), mean=mean, shuffles=shuffles, seed=seed), seen


def pair_test(
    seen: Whitened,
    modes: tuple[Float[Tensor, "k c c c"], Float[Tensor, "l c c c"]],
    *,
    mean: Float[Tensor, "c c c"],
    shuffles: int,
    seed: int,
) -> PairTest:
    """Test the modes of half set 1 (first) on the images of half set 2, and those of 2 on the images of 1."""
    rows = [np.flatnonzero(seen.images.half == side) for side in (1, 0)]
    sides = [
        _side(seen, modes[own], rows[own], other=modes[1 - own], shuffles=shuffles, seed=seed + own)
        for own in (0, 1)
    ]
    return PairTest((sides[0], sides[1]), mean)


def _side(
    seen: Whitened, modes: Tensor, rows: Int[ndarray, " n"], *, other: Tensor, shuffles: int, seed: int
) -> SideTest:
    scores = seen.scores(modes, rows)
    rotation = seen.images.everything.rotation[torch.from_numpy(rows)].double().numpy()
    copies = copies_of(rotation, seen.images.picture[rows])
    bins = view_bins(view_directions(rotation[copies[:, 0]]), symmetry=copies.shape[1])
    reached, average = shuffle_within(bins, scores, copies=copies, count=shuffles, seed=seed)
    total, power = scores.product.sum(0) - average, (scores.weight**2).sum(0)
    spread = [(scores.weight * one**2).sum(0) for one in (scores.first, scores.second)]
    scale = np.sqrt((spread[0] * spread[1]).clip(1e-300))  # by it a noise level that is wrong drops out
    inside, alike = shared_span(modes, other)
    return SideTest(
        modes=modes,
        scores=scores,
        rows=rows,
        z=total / scale * scores.weight.sum(0) / np.sqrt(power.clip(1e-300)),
        correlation=total / scale,
        variance=total / power.clip(1e-300),
        shuffled=reached,
        inside=inside,
        alike=alike,
    )
