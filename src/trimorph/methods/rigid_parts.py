"""RigidParts: what moves as a few rigid bodies, each particle's in its own way.

Letters: v latents, d their dimension, g points, s parts.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from trimorph.methods.structure_method import RigidMotion


@runtime_checkable
class RigidParts(Protocol):
    """Points of a neutral density, the parts that they belong to, and the motion of each part.

    Places are in Å about the origin voxel. Methods that move structures in segments are so by
    themselves; :class:`trimorph.methods.cloud_parts.CloudParts` finds parts of a cloud of Gaussians.
    """

    @property
    def position(self) -> Float[Tensor, "g 3"]:
        """Points of the neutral density."""

    def shares(self) -> Float[Tensor, "g s"]:
        """How much each point belongs to each part, at most one in all."""

    def segment_motion(self, z: Float[Tensor, "v d"]) -> RigidMotion:
        """The rigid motion of each part."""
