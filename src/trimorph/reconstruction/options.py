"""ReconstructionOptions: what a user may say of a reconstruction, in whatever way it is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trimorph.data.selection import half_sets
from trimorph.reconstruction.images import Images
from trimorph.reconstruction.mask_file import mask_on_grid
from trimorph.reconstruction.weights import read_weights


@dataclass(frozen=True)
class ReconstructionOptions:
    """Settings of every command that reconstructs."""

    weights: str | None = None
    """File (.npy, .txt) with one weight >= 0 a particle, or a column of the particle file."""
    mask: Path | None = None
    """Mask map for the FSC; by default made from the map: half its 99.99th percentile, 25 Å wider,
    15 Å soft."""
    resolution: float | None = None
    """Use frequencies up to this resolution in Å only."""
    b_factor: float = 0.0
    """B-factor in Å^2 that postprocess.mrc is multiplied by; a negative one sharpens."""
    low_pass: float | None = None
    """Resolution in Å beyond which postprocess.mrc is filtered out; by default where FSC = 0.143."""
    batch_size: int = 256
    """Images read at a time."""
    seed: int = 0
    """Draws the half sets where the file has none."""
    random_halves: bool = False
    """Draw half sets from the seed in place of those that the file has."""
    device: str = "cpu"
    """Where the sums are kept: cpu, or cuda."""
    memory: float | None = None
    """GB that sums may take where there are several, with --along or --near; half of what is free by default.
    With less, the particles are read several times."""
    overwrite: bool = False
    """Replace maps that are in the folder already."""

    def of_particles(self, images: Images) -> dict[str, Any]:
        """Arguments of :func:`trimorph.reconstruction.reconstruct.reconstruct` for these particles.

        Errors: those of :func:`read_weights` and :func:`mask_on_grid`.
        """
        table = images.table
        return {
            "weights": None if self.weights is None else read_weights(self.weights, table),
            "half": half_sets(replace(table, half=None), seed=self.seed) if self.random_halves else None,
            "mask": None
            if self.mask is None
            else mask_on_grid(self.mask, box=images.box, pixel_size=images.pixel_size),
            "limit": self.resolution,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "device": self.device,
        }

    @property
    def of_files(self) -> dict[str, Any]:
        """Arguments of :func:`trimorph.reconstruction.write.write_reconstruction`."""
        return {"b_factor": self.b_factor, "low_pass": self.low_pass, "overwrite": self.overwrite}
