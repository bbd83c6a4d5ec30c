"""What is done to a density before it is written: filter, crop, mirror, invert."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

EDGE = 0.1
"""Width of the low-pass filter's cosine edge as a fraction of its frequency."""


def sharpen(
    density: Float[ndarray, "d d d"],
    *,
    pixel_size: float,
    b_factor: float = 0.0,
    low_pass: float | None = None,
) -> Float[ndarray, "d d d"]:
    """Multiply the transform by exp(-B k^2 / 4), and fade it out at ``low_pass`` Å.

    B in Å^2: a negative one sharpens. The edge is a half cosine centred on the resolution.
    """
    if b_factor == 0.0 and low_pass is None:
        return density
    box = density.shape[-1]
    axis, last = np.fft.fftfreq(box, pixel_size), np.fft.rfftfreq(box, pixel_size)
    k2 = axis[:, None, None] ** 2 + axis[:, None] ** 2 + last**2
    factor = np.exp(-0.25 * b_factor * k2)
    if low_pass is not None:
        distance = (np.sqrt(k2) * low_pass - 1) / EDGE
        factor = factor * (0.5 - 0.5 * np.sin(np.pi * np.clip(distance, -0.5, 0.5)))
    filtered = np.fft.irfftn(np.fft.rfftn(density) * factor, s=(box, box, box), axes=(0, 1, 2))
    return filtered.astype(density.dtype)


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
