"""ModeMotion: how latents bend a structure along the softest modes of its elastic network.

Letters: v latents, d their dimension, g residues, k modes.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trimorph.core.elastic_modes import elastic_modes
from trimorph.core.elastic_network import elastic_edges, joined_edges
from trimorph.core.local_turns import local_turns
from trimorph.core.rigid_blend import turn_quaternion
from trimorph.core.screw import screw_displacement
from trimorph.methods.base import Problem
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.structure_method import ResidueMotion

STEP = 5.0
"""Å by which a mode whose amplitude is one moves the residue that it moves most."""

FALL = 2.0
"""Power of the distance by which springs are weaker: bonds of chains then stretch less."""

NEAR = 10.0
"""Distance in Å within which residues say how their surroundings turn."""


class ModeMotion(nn.Module):
    """Motions of residues by amplitudes a(z) - a(0) of modes, so that z = 0 is the structure.

    A mode k shifts residue i with the velocity u_ki and turns its surroundings with w_ki. For a unit of time
    the residue moves along the screw of sum_k a_k u_ki and sum_k a_k w_ki: to first order it is displaced by
    sum_k a_k u_ki, and a domain that turns about a hinge stays rigid at any angle. ``whole`` adds the shifts
    and turns of all that moves to the modes. The modes are kept in checkpoints: where stiffnesses are
    equal, as in symmetric complexes, another machine may find others.

    Source: Hoffmann & Grudinin, J. Chem. Theory Comput. 13 (2017) 2123 (screws of blocks).
    """

    def __init__(
        self,
        problem: Problem,
        latent_dim: int,
        *,
        moving: Bool[Tensor, " g"],
        modes: int,
        whole: bool = False,
        width: int,
        layers: int,
    ) -> None:
        super().__init__()
        assert problem.points is not None  # so checked
        position = problem.points[:, :3]
        held = None if bool(moving.all()) else moving
        found = elastic_modes(position, modes, fall=FALL, moving=held)
        slide = STEP * found.vector / found.vector.norm(dim=-1).amax(1)[:, None, None]
        turn = local_turns(slide, position, joined_edges(position, elastic_edges(position, NEAR)))
        if whole:
            slide, turn = (
                torch.cat(both)
                for both in zip(
                    (slide, turn), _whole(position[moving], position, problem.radius), strict=True
                )
            )
        self.register_buffer("slide", (slide * moving[:, None]).flatten(1))
        self.register_buffer("turn", (turn * moving[:, None]).flatten(1))
        self.slide: Tensor
        self.turn: Tensor
        self.network = ResidualMLP(latent_dim, len(slide), width=width, layers=layers, last_bias=False)
        nn.init.zeros_(self.network.last.weight)

    def forward(
        self, z: Float[Tensor, "v d"], position: Float[Tensor, "g 3"], *, sampled: bool
    ) -> ResidueMotion:
        """Motions of the residues; nothing of them is drawn, ``sampled`` or not."""
        amplitude = self.amplitudes(z)
        with torch.autocast(z.device.type, enabled=False):
            slide, turn = ((amplitude @ field).view(len(z), -1, 3) for field in (self.slide, self.turn))
            shift = screw_displacement(turn, slide, torch.zeros_like(turn))
            return ResidueMotion(turn_quaternion(turn).mT, position, shift, torch.ones_like(shift[..., 0]))

    def amplitudes(self, z: Float[Tensor, "v d"]) -> Float[Tensor, "v k"]:
        """Amplitudes of the modes, and of the whole's three shifts and three turns; 1 stands for STEP Å."""
        both: Tensor = self.network(torch.cat([z, torch.zeros_like(z[:1])])[:, None]).float()
        return (both[:-1] - both[-1:])[:, 0]


def _whole(
    moving: Float[Tensor, "m 3"], position: Float[Tensor, "g 3"], radius: float
) -> tuple[Float[Tensor, "6 g 3"], Float[Tensor, "6 g 3"]]:
    """Velocities and turns of what moves as one: by STEP Å, and by as much at ``radius`` from its centre."""
    axes = torch.eye(3).to(position)[:, None].expand(-1, len(position), -1)
    arm = (position - moving.mean(0)).expand(3, -1, -1)
    rate = STEP / radius
    return (
        torch.cat([STEP * axes, rate * torch.linalg.cross(axes, arm)]),
        torch.cat([torch.zeros_like(axes), rate * axes]),
    )
