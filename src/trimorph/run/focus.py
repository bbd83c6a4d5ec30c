"""Focus: a mask that the user gives, where the density of the particles may differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.core.voxel_grid import resample
from trimorph.data.mrc import read_map
from trimorph.methods.base import Ingredient

TOLERANCE = 0.01
"""By how much the sides of mask and images may differ, relative to them; pixel sizes are often rounded."""


@dataclass(frozen=True)
class FocusSettings:
    """Where the particles may differ."""

    mask: Path | None = None
    """Soft mask (MRC, values 0 to 1, the images' box in Å) of where modes of density may vary. By default it
    is made around the mean map."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that the settings name."""
        return () if self.mask is None else (self.mask,)


def focus_mask(
    focus: FocusSettings, wanted: frozenset[Ingredient], *, box: int, pixel_size: float
) -> NDArray[np.float32] | None:
    """The mask on the images' grid, or None where none is given.

    It may have other voxels than the images, but must span the same box.
    Errors: InputError where the method has no use for it, or the file is no such mask; those of
    :func:`read_map`.
    """
    path = focus.mask
    if path is None:
        return None
    if not wanted & {"mask", "modes"}:
        raise InputError(
            f"{path}: found a mask for a method that has no use for it with these settings; wanted one that "
            "finds modes of density. Leave --mask out, or use the method linear."
        )
    values, size, _ = read_map(path)
    side, extent = size * len(values), box * pixel_size
    if len(set(values.shape)) > 1 or abs(side - extent) > TOLERANCE * extent:
        shape = " x ".join(str(length) for length in values.shape)
        raise InputError(
            f"{path}: found {shape} voxels of {size:.4g} Å, {side:.1f} Å a side; wanted a cube of "
            f"{extent:.1f} Å, as the images have ({box} pixels of {pixel_size:.4g} Å). Pad or crop the mask "
            "about its centre, or correct its pixel size."
        )
    lowest, highest = float(values.min()), float(values.max())
    if lowest < -0.01 or highest > 1.01 or highest < 0.1:
        what = "all zeros" if highest == lowest == 0 else f"values from {lowest:.3g} to {highest:.3g}"
        raise InputError(
            f"{path}: found {what}; wanted a mask from 0 to 1, 1 where the density may vary. Is it a map? "
            "Make a mask from it with a threshold and a soft edge."
        )
    same = resample(torch.tensor(values), extent / len(values), box=box, pixel_size=pixel_size)
    return same.clamp(0, 1).numpy()
