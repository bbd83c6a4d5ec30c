"""Bends: what the softest modes of a structure do to its points and their surroundings, at any amplitude.

Letters: v amplitudes, k modes, n points.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from trimorph.core.elastic_modes import elastic_modes
from trimorph.core.elastic_network import elastic_edges, joined_edges
from trimorph.core.local_turns import local_turns
from trimorph.core.screw import screw_displacement

FALL = 2.0
"""Power of the distance by which springs are weaker: bonds of chains then stretch less."""

NEAR = 10.0
"""Distance in Å within which points say how their surroundings turn."""


@dataclass(frozen=True, eq=False)
class Bends:
    """Velocities (Å) of points, and of the turns (radians) of their surroundings, for each of k motions.

    For a unit of time a point moves along the screw of sum_k a_k slide_k and sum_k a_k turn_k: to first order
    it is displaced by sum_k a_k slide_k, and a domain that turns about a hinge stays rigid at any angle. At
    an amplitude of one the point that moves most has the velocity 1 Å.

    Source: Hoffmann & Grudinin, J. Chem. Theory Comput. 13 (2017) 2123 (there for rigid blocks).
    """

    slide: Float[Tensor, "k n 3"]
    turn: Float[Tensor, "k n 3"]

    @classmethod
    def of(
        cls,
        position: Float[Tensor, "n 3"],
        modes: int,
        *,
        whole: bool = False,
        moving: Bool[Tensor, " n"] | None = None,
    ) -> Bends:
        """The softest modes; where ``whole``, the three shifts and three turns of all that moves as well.

        Errors: those of :func:`elastic_modes`.
        """
        moves = torch.ones(len(position), dtype=torch.bool) if moving is None else moving
        slide = elastic_modes(position, modes, fall=FALL, moving=None if bool(moves.all()) else moves).vector
        turn = local_turns(slide, position, joined_edges(position, elastic_edges(position, NEAR)))
        if whole:
            axes = torch.eye(3).to(position)[:, None].expand(-1, len(position), -1)
            arm = (position - position[moves].mean(0)).expand(3, -1, -1)
            slide = torch.cat([slide, axes, torch.linalg.cross(axes, arm)])
            turn = torch.cat([turn, torch.zeros_like(axes), axes])
        slide, turn = slide * moves[:, None], turn * moves[:, None]
        most = slide.norm(dim=-1).amax(1)[:, None, None]
        return cls(slide / most, turn / most)

    def at(self, amplitude: Float[Tensor, "v k"]) -> tuple[Float[Tensor, "v n 3"], Float[Tensor, "v n 3"]]:
        """Turns (rotation vectors) of the points' surroundings, and displacements of the points in Å."""
        turn, slide = (
            (amplitude @ field.flatten(1)).unflatten(1, (-1, 3)) for field in (self.turn, self.slide)
        )
        return turn, screw_displacement(turn, slide, torch.zeros_like(turn))
