"""States: groups of particles whose latents lie together, each with a particle in its middle.

Letters: n particles, d latent components, k states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.analysis.density_peaks import density_peaks
from trimorph.analysis.mixture import mixture
from trimorph.core.errors import InputError
from trimorph.run.clusters import different_latents, kmeans

How = Literal["kmeans", "mixture", "peaks"]
"""Ways to find states."""

COUNT = 10
"""States of k-means, which finds no number itself, where the user does not say one."""

FORM = f"one of {', '.join(get_args(How))}, with a number or without, such as kmeans:10 or mixture"


@dataclass(frozen=True, eq=False)
class States:
    """The state of every particle, and each state's centre.

    ``label`` is the place of a particle's state in ``centre`` and ``z``, from 0 as in any array; where a user
    sees a state's number, it is one more. A label of -1, which none of the ways here gives, is of a particle
    that belongs to no state.

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

    ``kmeans`` parts the latents into ``count`` cells of like size, by default 10 (or fewer, where fewer
    latents differ); ``mixture`` into Gaussians of any shape, by default as many as the Bayesian information
    criterion asks for; ``peaks`` at the valleys of their density, by default as many as are sure.

    Errors: InputError for another way, latents that are none or not finite, and for more states than there
    are different latents.

    >>> states = find_states(np.array([[0.0], [5.1], [0.1], [0.2], [5.0], [5.2]]), count=2)
    >>> states.label.tolist(), states.centre.tolist(), states.name
    ([0, 1, 0, 0, 1, 1], [2, 1], 'kmeans2')
    """
    if how not in get_args(How):
        raise InputError(f'Found states by "{how}"; wanted {FORM}.')
    _refuse_latents(mean)
    if how == "kmeans":
        label, centre = kmeans(mean, count or min(COUNT, different_latents(mean, COUNT)), seed=seed)
    else:
        label, centre = (mixture if how == "mixture" else density_peaks)(mean, count, seed=seed)
    return States(label, centre, mean[centre], f"{how}{len(centre)}")


def states_of(mean: Float[ndarray, "n d"], text: str, *, seed: int = 0) -> States:
    """States as a user types how to find them, such as mixture:4.   Errors: those of both steps."""
    how, count = parse_states(text)
    return find_states(mean, how=how, count=count, seed=seed)


def parse_states(text: str) -> tuple[How, int | None]:
    """A way to find states as a user types it, and their number, if it is told.

    >>> parse_states("mixture:4"), parse_states("peaks")
    (('mixture', 4), ('peaks', None))
    """
    name, colon, number = text.strip().partition(":")
    how = next((one for one in get_args(How) if one == name), None)
    if how is None or (colon and not (number.isdigit() and int(number))):
        raise InputError(f'Found the states "{text}"; wanted {FORM}.')
    return how, int(number) if colon else None


def _refuse_latents(mean: Float[ndarray, "n d"]) -> None:
    """Raise InputError for latents without particles or components, or that are not finite."""
    if mean.size == 0:
        raise InputError(
            f"Found {len(mean)} latents of {mean.shape[1]} components; wanted one or more of both. A model "
            "of latent dimension 0 has one state alone."
        )
    wrong = np.flatnonzero(~np.isfinite(mean).all(1))
    if len(wrong):
        raise InputError(
            f"Found latents that are not finite, first of particle {wrong[0]} ({len(wrong)} such); wanted "
            "numbers. Leave these particles out."
        )
