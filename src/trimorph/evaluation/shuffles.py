"""Shuffles of what images say among particles of the same view, copies in a symmetry with their particle.

Letters: n images, m particles, s copies of each, k modes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import cKDTree

from trimorph.data.orientations import view_directions
from trimorph.evaluation.validate_scores import Scores

IN_A_BIN, MOST_BINS = 25, 400
"""Particles that a bin of views has on average, and the most bins there are."""

UNIT = np.array([0.36, 0.23, 0.904])
"""Of the copies of a particle, that whose view is nearest to this direction stands for all."""


def view_bins(direction: Float[ndarray, "m 3"], *, symmetry: int = 1) -> Int[ndarray, " m"]:
    """Number of the bin of each view: the nearest of some points spread evenly over the sphere.

    Where particles have copies, their views fill one part in ``symmetry`` of the sphere, and points are as
    many times denser.
    """
    count = int(np.clip(symmetry * len(direction) // IN_A_BIN, 1, MOST_BINS))
    index = np.arange(count) + 0.5
    z, turn = 1 - 2 * index / count, np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - z**2)
    points = np.stack([radius * np.cos(turn), radius * np.sin(turn), z], axis=1)
    return np.asarray(cKDTree(points).query(direction)[1], dtype=np.int64)


def copies_of(rotation: Float[ndarray, "n 3 3"], picture: Int[ndarray, " n"]) -> Int[ndarray, "m s"]:
    """Rows of the copies of each particle, first that which stands for it, then in one order for all.

    Copies are seen at R S for the rotations S of a group. Of particle i that at R_i stands for it, and column
    h holds the row at R_i S_h: so where two particles have one view, all their columns have.

    >>> turns = np.array([np.eye(3), np.diag([-1.0, -1.0, 1.0])])
    >>> view = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])  # of two rows, the second is in the unit
    >>> copies_of(np.concatenate([view @ turns, view @ turns[::-1]]), np.array([0, 0, 1, 1])).tolist()
    [[0, 1], [3, 2]]
    """
    order = np.argsort(picture, kind="stable")
    particles = len(np.unique(picture))
    rows = order.reshape(particles, -1)
    first = (view_directions(rotation)[rows] @ UNIT).argmax(1)
    stands = rotation[rows[np.arange(particles), first]]
    turned = np.einsum("mji,msjk->msik", stands, rotation[rows]).reshape(particles, rows.shape[1], 9)
    known = np.concatenate([np.eye(3).reshape(1, 9), np.delete(turned[0], first[0], axis=0)])
    place = (turned @ known.T).argmax(1)
    return np.asarray(np.take_along_axis(rows, place, axis=1))


def shuffle_within(
    bins: Int[ndarray, " m"], scores: Scores, *, copies: Int[ndarray, "m s"], count: int, seed: int
) -> tuple[Float[ndarray, " k"], Float[ndarray, " k"]]:
    """Shuffle what the second half of the pixels says among particles of a bin of views.

    Copies of a particle show one image, and go together: each takes the place of the one of the same view.
    Returns the share of shuffles in which the sum is as large as it is, the order at hand counted as one, and
    the mean of the sum over shuffles, which is exact: what depends on the view alone.
    """
    order = np.argsort(bins, kind="stable")
    rows = copies[order]
    left, second = (scores.weight * scores.first)[rows], scores.second[rows]
    found = (left * second).sum((0, 1))
    number = np.unique(bins[order], return_inverse=True)[1]
    start = np.flatnonzero(np.diff(number, prepend=-1))
    size = np.diff(start, append=len(order))[:, None, None]
    average = (np.add.reduceat(left, start) * np.add.reduceat(second, start) / size).sum((0, 1))
    generator = np.random.default_rng([seed, 11])
    reached = np.ones(left.shape[-1])
    for _ in range(count):
        shuffled = np.argsort(number + generator.random(len(order)))
        reached += np.einsum("msk,msk->k", left, second[shuffled]) >= found
    return reached / (count + 1), average
