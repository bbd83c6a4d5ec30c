"""PosedImages: the images of a stack, seen at other poses than the file's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.noise import NoiseModel
from trimorph.data.tables import ParticleTable
from trimorph.reconstruction.images import Images


@dataclass(frozen=True, eq=False)
class PosedImages:
    """A stack whose batches go through ``pose``, for reconstruction."""

    stack: Images
    pose: Callable[[Batch], Batch]

    @property
    def box(self) -> int:
        """Box in pixels."""
        return self.stack.box

    @property
    def pixel_size(self) -> float:
        """Pixel size in Å."""
        return self.stack.pixel_size

    @property
    def disk(self) -> FourierDisk:
        """All frequencies inside Nyquist."""
        return self.stack.disk

    @property
    def noise(self) -> NoiseModel:
        """Noise power of each noise group."""
        return self.stack.noise

    @property
    def table(self) -> ParticleTable:
        """One row a particle, with the poses of the file."""
        return self.stack.table

    def __len__(self) -> int:
        return len(self.stack)

    def batches(
        self, order: NDArray[np.int64], batch_size: int, *, limit: FourierDisk | None = None
    ) -> Iterator[Batch]:
        """Batches of the given particles at their other poses."""
        return map(self.pose, self.stack.batches(order, batch_size, limit=limit))
