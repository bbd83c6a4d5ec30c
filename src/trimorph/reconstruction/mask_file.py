"""Masks from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.mrc import read_map


def mask_on_grid(path: Path, *, box: int, pixel_size: float) -> NDArray[np.float32]:
    """A mask file that must lie on the given grid, with values from 0 to 1."""
    mask = read_map(path, pixel_size=pixel_size).values
    if mask.shape != (box, box, box):
        raise InputError(
            f"{path}: found a mask of {'x'.join(map(str, mask.shape))} voxels; wanted {box}x{box}x{box} as "
            "the maps have. Resample it."
        )
    low, high = float(mask.min()), float(mask.max())
    if low < -1e-3 or high > 1 + 1e-3 or high < 0.5:
        raise InputError(
            f"{path}: found values from {low:.3g} to {high:.3g}; wanted a mask from 0 (outside) to 1 "
            "(inside). Scale it, or make one from the map."
        )
    return mask
