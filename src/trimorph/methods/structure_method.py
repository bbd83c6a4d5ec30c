"""StructureMethod: a method whose model is a structure, and says where latents take each of its residues.

Letters: v latents, d their dimension, g residues, s segments, n points.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.core.rigid_blend import blended_displacement
from trimorph.methods.base import Method


@dataclass(frozen=True, eq=False)
class ResidueMotion:
    """Where latents take the residues of a structure: R (x - centre) + centre + shift.

    ``quaternion`` gives R, real part first and of any length; ``centre`` (Å) is what a residue turns about
    in the neutral structure, ``shift`` in Å. ``occupancy`` says how much of a residue is there: 1 at z = 0.
    """

    quaternion: Float[Tensor, "v 4 g"]
    centre: Float[Tensor, "g 3"]
    shift: Float[Tensor, "v g 3"]
    occupancy: Float[Tensor, "v g"]

    @classmethod
    def none(cls, count: int, position: Float[Tensor, "g 3"]) -> ResidueMotion:
        """No motion of residues at these positions, ``count`` times."""
        still = torch.zeros_like(position).expand(count, -1, -1)
        real = torch.tensor([1.0, 0.0, 0.0, 0.0]).to(position)[:, None]
        return cls(real.expand(count, -1, len(position)), position, still, torch.ones_like(still[..., 0]))

    def of(self, rows: slice) -> ResidueMotion:
        """Those to some of the latents."""
        return ResidueMotion(self.quaternion[rows], self.centre, self.shift[rows], self.occupancy[rows])

    def place(
        self, points: Float[Tensor, "n 3"], residue: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "v n 3"]:
        """Where points (Å) go, each with the residue of that number: by default one a residue, in order.

        Points of residues that move as one keep all their distances. Points in double precision are moved in
        double precision.

        >>> turned = torch.tensor([0.5**0.5, 0.0, 0.0, 0.5**0.5])[None, :, None]  # by 90 degrees about z
        >>> motion = ResidueMotion(turned, torch.zeros(1, 3), torch.ones(1, 1, 3), torch.ones(1, 1))
        >>> motion.place(torch.tensor([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), torch.tensor([0, 0]))[0].round()
        tensor([[1., 2., 1.],
                [1., 3., 1.]])
        """
        quaternion, centre, shift = self.quaternion, self.centre, self.shift.mT
        if residue is not None:
            quaternion, centre, shift = quaternion[:, :, residue], centre[residue], shift[:, :, residue]
        precise = torch.promote_types(points.dtype, quaternion.dtype)
        return points + blended_displacement(quaternion.to(precise), shift, (points - centre).mT)


@dataclass(frozen=True, eq=False)
class RigidMotion:
    """Motions of whole segments: rotation vectors (radians) about their centres, and shifts (Å) of these.

    ``centre`` (Å) is that of the neutral structure; ``occupancy`` is 1 at z = 0.
    """

    turn: Float[Tensor, "v s 3"]
    shift: Float[Tensor, "v s 3"]
    centre: Float[Tensor, "s 3"]
    occupancy: Float[Tensor, "v s"]


@dataclass(frozen=True)
class Segment:
    """Residues ``first`` to ``last`` of a line, counted from 1 within it, that belong most to one segment.

    Lines are the chains or parts that segments lie on, from 0; ``residues`` counts all of the structure,
    from 0. ``number`` tells segments apart. ``spread`` is the standard deviation, in residues, of where the
    segment begins and where it ends, under the posterior; zero at an end of the line, and for what is not
    learned.
    """

    number: int
    line: int
    first: int
    last: int
    residues: tuple[int, ...]
    spread: tuple[float, float] = (0.0, 0.0)


class StructureMethod(Method):
    """A method that moves the residues of a structure, some of them in rigid segments.

    ``position`` (g, 3) are the residues of the neutral structure in Å about the origin voxel.
    """

    position: Tensor

    @abstractmethod
    def residue_motion(self, z: Float[Tensor, "v d"]) -> ResidueMotion:
        """Where latents take every residue, and so each of its atoms: what :meth:`decode` draws."""

    @abstractmethod
    def segments(self) -> tuple[Segment, ...]:
        """The segments that hold residues, along their lines; none where residues move one by one."""

    @abstractmethod
    def segment_motion(self, z: Float[Tensor, "v d"]) -> RigidMotion:
        """The rigid motion of each of :meth:`segments`."""

    @abstractmethod
    def shares(self) -> Float[Tensor, "g s"]:
        """How much each residue belongs to each of :meth:`segments`, at most one in all."""
