"""Masks of where the density varies, from what the modes of two half sets share.

Letters: k modes, c box of their grid.
"""

from __future__ import annotations

from math import pi

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

SHARES = (0.5, 0.7, 0.9)
"""Shares of the variance that the densest voxels hold which a mask is made around."""

LOSS = 0.05
"""Share of the likelihood that a narrower mask may cost. Modes that are cut by it lose some, and gain it anew
when they are fitted in it, and at the finer limits to come there is more noise to be kept out."""


def particle_ball(box: int, pixel_size: float, *, radius: float) -> Float[Tensor, "c c c"]:
    """1 within the particle's radius (Å) of the origin voxel, then a cosine down to 0 over a tenth of it."""
    axis = (torch.arange(box) - box // 2) * pixel_size
    distance = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    return _fall(distance, start=radius, width=0.1 * radius)


def shared_variance(
    first: Float[Tensor, "k c c c"], second: Float[Tensor, "k c c c"], *, width: float
) -> Float[Tensor, "c c c"]:
    """Variance of the density that both half sets have, sum_k first_k second_k, where modes are matched.

    Noise of the halves is positive as often as negative. Smoothed by a Gaussian of ``width`` voxels
    (standard deviation), as a mode changes sign at the edges of what moves.
    """
    axis = torch.fft.fftfreq(first.shape[-1], device=first.device) ** 2
    fall = torch.exp(-2 * (pi * width) ** 2 * (axis[:, None, None] + axis[:, None] + axis))
    return torch.fft.ifftn(torch.fft.fftn((first * second).sum(0)) * fall).real


def variance_masks(variance: Float[Tensor, "c c c"], *, reach: float) -> list[Float[Tensor, "c c c"]]:
    """Soft masks around the voxels of most variance that hold each of :data:`SHARES` of it, the widest last.

    They are 1 up to ``reach`` voxels away, and fall to 0 over twice that. None where no variance is shared.

    >>> variance = torch.tensor([5.0, 3.0, 1.0, *[0.0] * 5]).view(2, 2, 2)
    >>> [mask.flatten()[:4].tolist() for mask in variance_masks(variance, reach=0.1)]
    [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]]
    """
    falling = variance.flatten().clamp_min(0).sort(descending=True).values
    held = falling.cumsum(0)
    if not bool(held[-1] > 0):
        return []
    levels = [falling[int((held < share * held[-1]).sum())] for share in SHARES]
    return [_around(variance >= level, reach=reach) for level in levels]


def narrowest_good(gains: list[float]) -> int:
    """The first of some masks, the narrowest first, whose gain is hardly below the best one: :data:`LOSS`.

    >>> narrowest_good([8.0, 9.2, 9.5, 9.4]), narrowest_good([-0.5, -0.2])
    (1, 1)
    """
    best = max(gains)
    return next(place for place, gain in enumerate(gains) if gain >= best - LOSS * abs(best))


def _around(dense: Bool[Tensor, "c c c"], *, reach: float) -> Float[Tensor, "c c c"]:
    distance = ndimage.distance_transform_edt(~dense.cpu().numpy()).astype(np.float32)
    return _fall(torch.from_numpy(distance).to(dense.device), start=reach, width=2 * reach)


def _fall(distance: Float[Tensor, "c c c"], *, start: float, width: float) -> Float[Tensor, "c c c"]:
    return 0.5 + 0.5 * torch.cos(pi * ((distance - start) / width).clamp(0, 1))
