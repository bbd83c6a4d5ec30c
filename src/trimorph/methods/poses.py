"""PoseTable: refined poses, one correction a particle."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.rotations import vector_to_matrix
from trimorph.methods.base import Method
from trimorph.methods.particle_rows import ParticleRows


class PoseTable(nn.Module):
    """Corrections to the poses in the file: a rotation vector v and a shift s, zero at the start.

    The refined pose is exp([v]x) R and shift + s. Both are kept in units of their prior's standard
    deviation, ``angle`` (radians) and ``distance`` (Å), so one learning rate fits both.
    """

    def __init__(self, particles: int, *, angle: float, distance: float) -> None:
        super().__init__()
        self.rows = ParticleRows(particles, 5)
        self.angle, self.distance = angle, distance

    def forward(self, batch: Batch) -> tuple[Batch, Float[Tensor, " b"]]:
        """The batch at its refined poses, and minus the log prior of the corrections."""
        row = self.rows(batch.index)
        with torch.autocast(row.device.type, enabled=False):  # bfloat16 would round angles to 0.1 degrees
            rotation = vector_to_matrix(row[:, :3] * self.angle) @ batch.rotation
        refined = batch.pose(rotation, batch.shift + row[:, 3:] * self.distance)
        return refined, 0.5 * (row**2).sum(-1)


@torch.no_grad()
def at_refined_poses(method: Method, batch: Batch) -> Batch:
    """The batch at the poses that a method has refined, if it has."""
    for module in method.modules():
        if isinstance(module, PoseTable):
            batch, _ = module(batch)
    return batch
