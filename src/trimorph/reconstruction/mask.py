"""Masks around a density: where the molecule is, and where a box can hold it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from trimorph.core.errors import InputError

QUANTILE = 0.9999


def molecular_mask(
    density: NDArray[np.float32],
    *,
    pixel_size: float,
    threshold: float | None = None,
    dilation: float = 25.0,
    edge: float = 15.0,
) -> NDArray[np.float32]:
    """Soft mask of what is dense: 1 up to ``dilation`` Å from it, then a cosine down to 0 over ``edge`` Å.

    Dense is what exceeds ``threshold``, by default half the 99.99th percentile of the voxels.
    Source: Zhong et al., Nature Methods 18 (2021) 176, Methods.

    >>> ball = np.zeros((32, 32, 32), np.float32); ball[16, 16, 16] = 1.0
    >>> mask = molecular_mask(ball, pixel_size=5.0, threshold=0.5)
    >>> mask[16, 16, 16:26].round(2).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.25, 0.0, 0.0]
    """
    level = 0.5 * float(np.quantile(density, QUANTILE)) if threshold is None else threshold
    dense = density > level
    if not dense.any() or not level > 0:
        raise InputError(
            f"Mask: found no voxel above a positive threshold (threshold {level:.3g}, highest value "
            f"{float(density.max()):.3g}); wanted a density that is bright on a dark background. "
            "Pass a threshold or a mask file, or invert the density."
        )
    distance = ndimage.distance_transform_edt(~dense, sampling=pixel_size)
    return _fall(distance, start=dilation, width=edge)


def spherical_mask(box: int, *, radius: float, edge: float) -> NDArray[np.float32]:
    """A ball around the origin voxel, 1 within ``radius`` and 0 beyond ``radius + edge`` (in voxels)."""
    axis = np.arange(box, dtype=np.float32) - box // 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    return _fall(distance, start=radius, width=edge)


def _fall(distance: NDArray[np.floating], *, start: float, width: float) -> NDArray[np.float32]:
    share = np.clip((distance - start) / max(width, 1e-6), 0.0, 1.0)
    return (0.5 + 0.5 * np.cos(np.pi * share)).astype(np.float32)
