"""ParticleRows: learned values, one row a particle (latents, pose corrections)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class ParticleRows(nn.Module):
    """``count`` rows of ``dim`` parameters, one a particle, zero at the start.

    Only the rows of a batch get a gradient (sparse), so a particle that is not seen does not move. In
    data-parallel training each process keeps the rows of its own particles: those with
    ``index % world == rank``, in order.
    """

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.count, self.rank, self.world = count, 0, 1
        self.weight = nn.Parameter(torch.zeros(count, dim))

    def shard(self, rank: int, world: int) -> None:
        """Keep only the rows of one process."""
        self.rank, self.world = rank, world
        self.weight = nn.Parameter(self.weight.detach()[rank::world].clone())

    def forward(self, index: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """Rows of some particles, by their index among all."""
        local = torch.div(index - self.rank, self.world, rounding_mode="floor")
        rows: Tensor = nn.functional.embedding(local, self.weight, sparse=True)
        return rows
