"""A structure method whose motion is known: the end of adenylate kinase turns by the angle that z is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from methods.made_structure import BOUNDARY, adenylate_kinase
from methods.untrained import Untrained
from trimorph.core.gaussians import Gaussians
from trimorph.core.rigid_blend import turn_quaternion
from trimorph.core.rotations import vector_to_matrix
from trimorph.data.hinge import natural_hinge
from trimorph.data.residues import Residues
from trimorph.methods.base import Problem
from trimorph.methods.structure_method import ResidueMotion, RigidMotion, Segment, StructureMethod


@dataclass(frozen=True)
class KnownHingeSettings:
    """Settings of the known hinge."""

    scale: float = 1.0
    """Radians that z = 1 stands for."""
    still: bool = False
    """The first half belongs to no segment."""


class KnownHinge(Untrained, StructureMethod):
    """Residues from BOUNDARY on turn about their natural hinge by ``scale`` z_1; the others stay."""

    Settings: ClassVar[type[KnownHingeSettings]] = KnownHingeSettings

    def __init__(self, settings: KnownHingeSettings, problem: Problem) -> None:
        super().__init__(settings, problem)
        structure = adenylate_kinase()
        residues = Residues.of(structure)
        axis, pivot = natural_hinge(structure, structure.residue >= BOUNDARY)
        values = {
            "position": residues.position,
            "weight": residues.weight,
            "axis": axis,
            "pivot": pivot,
            "moving": residues.first.residue >= BOUNDARY,
        }
        for name, value in values.items():
            made = torch.as_tensor(np.asarray(value))
            self.register_buffer(name, made if made.dtype == torch.bool else made.float(), persistent=False)

    @property
    def latent_dim(self) -> int:
        return 1

    def decode(self, z: Float[Tensor, "v d"]) -> Gaussians:
        place = self.residue_motion(z).place(self.position)
        weight = self.weight.expand(len(z), -1)
        return Gaussians(place, weight, torch.full_like(weight, 3.0))

    def segments(self) -> tuple[Segment, ...]:
        rows = [tuple(part.nonzero()[:, 0].tolist()) for part in (~self.moving, self.moving)]
        found = [Segment(n, 0, row[0] + 1, row[-1] + 1, row) for n, row in enumerate(rows)]
        return tuple(found[self.settings.still :])

    def shares(self) -> Float[Tensor, "g s"]:
        whole = torch.stack([~self.moving, self.moving], dim=1).float()
        return whole[:, self.settings.still :]

    def segment_motion(self, z: Float[Tensor, "v d"]) -> RigidMotion:
        centre = torch.stack([self.position[~self.moving].mean(0), self.position[self.moving].mean(0)])
        turn = torch.zeros(len(z), 2, 3)
        turn[:, 1] = self.settings.scale * z[:, :1] * self.axis
        arm = centre - self.pivot
        shift = torch.einsum("vsij,sj->vsi", vector_to_matrix(turn), arm) - arm
        keep = slice(int(self.settings.still), None)
        return RigidMotion(turn[:, keep], shift[:, keep], centre[keep], torch.ones(len(z), len(centre[keep])))

    def residue_motion(self, z: Float[Tensor, "v d"]) -> ResidueMotion:
        turn = self.settings.scale * z[:, None, :1] * self.axis * self.moving[:, None]
        pivot = self.pivot.expand_as(self.position)
        still = torch.zeros(len(z), *self.position.shape)
        return ResidueMotion(turn_quaternion(turn).mT, pivot, still, torch.ones(len(z), len(self.position)))
