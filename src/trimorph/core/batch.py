"""Batch: what a model sees of some particles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk


@dataclass(frozen=True, eq=False)
class Batch:
    """Images of some particles with all that is known of each.

    ``image`` holds transforms on ``disk``, already centred by the shifts in the file; ``shift`` is the part
    in Å that is not yet applied (zero unless poses are refined). ``index`` is the particle's row among
    those in use, ``group`` its noise group.
    """

    index: Int[Tensor, " b"]
    image: Complex[Tensor, "b n"]
    rotation: Float[Tensor, "b 3 3"]
    shift: Float[Tensor, "b 2"]
    ctf: CTF
    group: Int[Tensor, " b"]
    disk: FourierDisk

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device | str) -> Batch:
        """Return the same batch on another device."""
        return Batch(
            index=self.index.to(device, non_blocking=True),
            image=self.image.to(device, non_blocking=True),
            rotation=self.rotation.to(device, non_blocking=True),
            shift=self.shift.to(device, non_blocking=True),
            ctf=self.ctf.to(device),
            group=self.group.to(device, non_blocking=True),
            disk=self.disk.to(device),
        )

    def limit(self, disk: FourierDisk) -> Batch:
        """Keep the frequencies of a coarser disk of the same box: a prefix."""
        return replace(self, image=self.image[:, : len(disk)], disk=disk)

    def pose(self, rotation: Float[Tensor, "b 3 3"], shift: Float[Tensor, "b 2"]) -> Batch:
        """Return the batch with other poses."""
        return replace(self, rotation=rotation, shift=shift)
