"""ModeMotion: how latents bend a structure along the softest modes of its elastic network.

Letters: v latents, d their dimension, g residues, k modes.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trimorph.core.elastic_bends import Bends
from trimorph.core.rigid_blend import turn_quaternion
from trimorph.methods.base import Problem
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.structure_method import ResidueMotion

STEP = 5.0
"""Å by which a motion whose amplitude is one moves the residue that it moves most."""


class ModeMotion(nn.Module):
    """Motions of residues by amplitudes a(z) - a(0) of modes, so that z = 0 is the structure.

    Residues move along the screws of :class:`Bends`. The modes are kept in checkpoints: where stiffnesses are
    equal, as in symmetric complexes, another machine may find others.
    """

    def __init__(
        self,
        problem: Problem,
        latent_dim: int,
        *,
        moving: Bool[Tensor, " g"],
        modes: int,
        width: int,
        layers: int,
    ) -> None:
        super().__init__()
        assert problem.points is not None  # so checked
        bends = Bends.of(problem.points[:, :3], modes, moving=moving)
        self.register_buffer("slide", bends.slide)
        self.register_buffer("turn", bends.turn)
        self.slide: Tensor
        self.turn: Tensor
        self.network = ResidualMLP(latent_dim, len(bends.slide), width=width, layers=layers, last_bias=False)
        nn.init.zeros_(self.network.last.weight)

    def forward(
        self, z: Float[Tensor, "v d"], position: Float[Tensor, "g 3"], *, sampled: bool
    ) -> ResidueMotion:
        """Motions of the residues; nothing of them is drawn, ``sampled`` or not."""
        amplitude = self.amplitudes(z)
        with torch.autocast(z.device.type, enabled=False):
            turn, shift = Bends(self.slide, self.turn).at(STEP * amplitude)
            return ResidueMotion(turn_quaternion(turn).mT, position, shift, torch.ones_like(shift[..., 0]))

    def amplitudes(self, z: Float[Tensor, "v d"]) -> Float[Tensor, "v k"]:
        """Amplitudes of the modes; 1 stands for STEP Å."""
        both: Tensor = self.network(torch.cat([z, torch.zeros_like(z[:1])])[:, None]).float()
        return (both[:-1] - both[-1:])[:, 0]
