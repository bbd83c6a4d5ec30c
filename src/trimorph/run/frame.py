"""The frame that a density is written in: its central cube, and its hand."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def crop(
    density: Float[ndarray, "d d d"], box: int, *, pixel_size: float
) -> tuple[Float[ndarray, "c c c"], tuple[float, float, float]]:
    """The central cube of ``box`` voxels and its origin in Å, by which it lies on the whole map."""
    start = density.shape[-1] // 2 - box // 2
    part = slice(start, start + box)
    return density[part, part, part], (start * pixel_size,) * 3


def mirror(density: Float[ndarray, "d d d"]) -> Float[ndarray, "d d d"]:
    """The other hand: z to -z about the origin voxel.

    >>> values = np.zeros((4, 4, 4)); values[3, 1, 0] = 1.0
    >>> [int(i) for i in np.argwhere(mirror(values))[0]]
    [1, 1, 0]
    """
    flipped = density[::-1]
    return np.roll(flipped, 1, axis=0) if density.shape[0] % 2 == 0 else flipped.copy()
