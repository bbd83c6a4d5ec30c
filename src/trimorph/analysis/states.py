"""States: groups of particles whose latents lie together, each with a particle in its middle.

Letters: n particles, d latent components, k states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.run.clusters import kmeans

How = Literal["kmeans"]
"""Ways to find states."""

COUNT = 10
"""States where the user does not say how many and the way does not find out."""


@dataclass(frozen=True, eq=False)
class States:
    """The state of every particle, from 0, or -1 for one that belongs to none, and each state's centre.

    ``centre`` are particles, nearest to the middle of their state, in an order in which neighbours are alike
    (:func:`trimorph.run.clusters.leaf_order`); ``z`` are their latents; ``name`` tells how states were found,
    as in kmeans10.
    """

    label: Int[ndarray, " n"]
    centre: Int[ndarray, " k"]
    z: Float[ndarray, "k d"]
    name: str

    @property
    def count(self) -> int:
        """How many states there are."""
        return len(self.centre)

    def number(self) -> Int[ndarray, " k"]:
        """Particles of each state."""
        return np.bincount(self.label[self.label >= 0], minlength=self.count)


def find_states(
    mean: Float[ndarray, "n d"], *, how: How = "kmeans", count: int | None = None, seed: int = 0
) -> States:
    """States of particles by their latents.

    ``kmeans`` parts the latents into ``count`` cells, by default 10 or as many as there are particles.

    Errors: InputError for another way, and for more states than there are different latents.

    >>> states = find_states(np.array([[0.0], [5.1], [0.1], [0.2], [5.0], [5.2]]), count=2)
    >>> states.label.tolist(), states.centre.tolist(), states.name
    ([0, 1, 0, 0, 1, 1], [2, 1], 'kmeans2')
    """
    if how not in get_args(How):
        raise InputError(f'Found states by "{how}"; wanted one of {", ".join(get_args(How))}.')
    label, centre = kmeans(mean, count or min(COUNT, len(mean)), seed=seed)
    return States(label, centre, mean[centre], f"{how}{len(centre)}")
