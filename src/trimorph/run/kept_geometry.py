"""Kept geometry: points of a chain that were moved are put back at their old distances from each other."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from trimorph.core.elastic_network import elastic_edges
from trimorph.methods.chain_priors import CLASH, clash_costs
from trimorph.methods.segment_lines import chain_links

LINK_GIVE, SECOND_GIVE, PLACE_GIVE = 0.05, 0.3, 1.0
"""Standard deviations in Å of distances to the next point and to the one after it, and of places."""

STEPS, REACH = 150, 2.0
"""Most steps, and Å beyond CLASH within which points are watched."""


@dataclass(frozen=True, eq=False)
class KeptGeometry:
    """Distances along the chains of a structure: to the next point (``links``), and to the one after it."""

    start: Float[Tensor, "n 3"]
    links: Int[Tensor, "p 2"]
    seconds: Int[Tensor, "q 2"]

    @classmethod
    def of(cls, start: Float[Tensor, "n 3"], chain: Int[Tensor, " n"]) -> KeptGeometry:
        """Of points, one a residue, that follow each other in chains."""
        links = chain_links(start, chain)
        joined = links[:-1, 1] == links[1:, 0]
        return cls(start, links, torch.stack([links[:-1, 0], links[1:, 1]], dim=1)[joined])

    def changes(self, position: Float[Tensor, "n 3"]) -> Float[Tensor, " p"]:
        """By how much distances to the next points have changed, in Å."""
        return _lengths(position, self.links) - _lengths(self.start.to(position), self.links)

    def strain(self, position: Float[Tensor, "n 3"]) -> Float[Tensor, ""]:
        """Mean square of the changes, in units of ten LINK_GIVE, and of those beyond in three SECOND_GIVE.

        Softer than what :meth:`restored` puts back: it keeps a motion to what can be put back.
        """
        links, seconds = (
            self.changes(position) / (10 * LINK_GIVE),
            self._seconds(position) / (3 * SECOND_GIVE),
        )
        return links.square().sum() / max(1, len(links)) + seconds.square().sum() / max(1, len(seconds))

    def restored(self, position: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """The places nearby at which distances are the old ones, and no new clashes are."""
        wanted, start = position.double(), self.start.double()
        near = elastic_edges(wanted, CLASH + REACH)
        near = near[near[:, 1] - near[:, 0] > 1]

        def cost(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            place = torch.tensor(numbers).view(-1, 3).requires_grad_()
            value = (
                0.5 * (self.changes(place) / LINK_GIVE).square().sum()
                + 0.5 * (self._seconds(place) / SECOND_GIVE).square().sum()
                + 0.5 * ((place - wanted) / PLACE_GIVE).square().sum()
                + clash_costs(_lengths(place, near), start, near, deep=inf).sum()
            )
            (slope,) = torch.autograd.grad(value, place)
            return float(value.detach()), slope.flatten().numpy()

        begin = wanted.flatten().numpy()
        found = minimize(cost, begin, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": 1e-6})
        return torch.tensor(found.x).view(-1, 3).to(position)

    def _seconds(self, position: Float[Tensor, "n 3"]) -> Float[Tensor, " q"]:
        return _lengths(position, self.seconds) - _lengths(self.start.to(position), self.seconds)


def _lengths(position: Float[Tensor, "n 3"], pairs: Int[Tensor, "p 2"]) -> Float[Tensor, " p"]:
    return (position[pairs[:, 0]] - position[pairs[:, 1]]).square().sum(-1).clamp_min(1e-6).sqrt()
