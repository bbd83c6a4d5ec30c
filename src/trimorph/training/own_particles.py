"""OwnParticles: the survey of a process's share of the particles, for what a method reviews."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.training.images import Images
from trimorph.training.latents import ENCODE_BATCH
from trimorph.training.processes import Processes


@dataclass(frozen=True)
class OwnParticles:
    """A :class:`Survey` of the particles with ``index % world == rank``."""

    images: Images
    disk: FourierDisk
    processes: Processes
    batch_size: int

    def batches(self, resolution: float | None) -> Iterator[Batch]:
        """The process's images once, in order, up to a resolution in Å."""
        own = np.arange(self.processes.rank, len(self.images), self.processes.world)
        disk = self.disk.limit(resolution=resolution)
        for batch in self.images.batches(own, max(self.batch_size, ENCODE_BATCH), limit=disk):
            yield batch.to(self.processes.device)

    def total(self, values: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        """Sum over the processes."""
        return self.processes.mean_(values) * self.processes.world
