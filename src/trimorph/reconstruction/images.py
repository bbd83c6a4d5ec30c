"""Images: what reconstruction needs of a particle stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.noise import NoiseModel
from trimorph.data.tables import ParticleTable


@runtime_checkable
class Images(Protocol):
    """What reconstruction needs of a particle stack."""

    @property
    def box(self) -> int:
        """Box in pixels."""

    @property
    def pixel_size(self) -> float:
        """Pixel size in Å."""

    @property
    def disk(self) -> FourierDisk:
        """All frequencies inside Nyquist."""

    @property
    def noise(self) -> NoiseModel:
        """Noise power of each noise group."""

    @property
    def table(self) -> ParticleTable:
        """One row a particle; its half sets are used."""

    def __len__(self) -> int: ...

    def batches(
        self, order: NDArray[np.int64], batch_size: int, *, limit: FourierDisk | None = None
    ) -> Iterator[Batch]:
        """Batches of the given particles."""
