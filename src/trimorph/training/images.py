"""Images: what training asks of a particle stack."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk


@runtime_checkable
class Images(Protocol):
    """A number of particle images that come in batches; ``data.particles.ParticleStack`` is one."""

    def __len__(self) -> int: ...

    def batches(
        self, order: NDArray[Any], batch_size: int, *, limit: FourierDisk | None = None
    ) -> Generator[Batch]:
        """Batches of the particles in ``order``, ``batch_size`` at a time, on the disk ``limit``."""
