"""What an isosurface of a density looks like from one side, in shades of grey.

Letters: d voxels along an edge, e steps along the view, p pixels along an edge of the picture.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from numpy.typing import NDArray

LIGHT = np.array([-0.45, 0.55, 0.70])
"""Where light comes from: the left, above, and the eye."""

BACK = 255
"""Grey of what is behind."""


def surface_view(
    density: Float[ndarray, "d d d"], *, level: float, axis: int, pixels: int = 160
) -> UInt8[ndarray, "p p"]:
    """Picture of the surface where a density rises to ``level``, in its own hand.

    ``axis`` is 0 for a view along z (x to the right, y up, z towards the eye), 1 along y (x, z, -y) and 2
    along x (y, z, x). Rays are parallel; a surface is brighter towards the light and towards the eye.

    >>> ball = np.zeros((16, 16, 16), np.float32); ball[5:11, 5:11, 5:11] = 1.0
    >>> view = surface_view(ball, level=0.5, axis=0, pixels=16)
    >>> bool(view[8, 8] < 255), bool(view[0, 0] == 255)
    (True, True)
    """
    fine = _finer(_from_the_eye(density, axis), pixels)
    depth, seen = _depth(fine, level)
    depth *= pixels / len(fine)
    slope_y, slope_x = _slopes(np.where(seen, depth, np.nan))
    normal = np.stack([slope_x, slope_y, np.ones_like(depth)])
    normal /= np.sqrt((normal**2).sum(0))
    light = LIGHT / np.linalg.norm(LIGHT)
    shade = 0.30 + 0.70 * np.clip(np.tensordot(light, normal, 1), 0.0, 1.0)
    near = 1 - (depth - depth[seen].min()) / pixels if seen.any() else np.ones_like(depth)
    brightness = 238 * shade * (0.62 + 0.38 * near)
    return np.where(seen, np.round(np.clip(brightness, 0, 250)), BACK).astype(np.uint8)[::-1]


def silhouette(
    density: Float[ndarray, "d d d"], *, level: float, axis: int, pixels: int = 160
) -> NDArray[np.bool_]:
    """The outline (p, p), true on its line, of what :func:`surface_view` shows."""
    from scipy.ndimage import binary_erosion

    inside = np.asarray((_finer(_from_the_eye(density, axis), pixels) > level).any(axis=0))
    return (inside & ~binary_erosion(inside))[::-1]


def _from_the_eye(density: Float[ndarray, "d d d"], axis: int) -> Float[ndarray, "d d d"]:
    """The density as [away from the eye, up, to the right], a right-handed frame."""
    turned = np.moveaxis(density, axis, 0)
    return turned if axis == 1 else turned[::-1]


def _finer(density: Float[ndarray, "d d d"], pixels: int) -> Float[ndarray, "e p p"]:
    """The density with so many pixels across and half as many again along the view, linear between voxels."""
    across = _between(density.shape[-1], pixels)
    along = _between(len(density), min(3 * len(density) // 2, pixels))
    part = np.tensordot(along, density.astype(np.float32), 1)
    return np.matmul(np.matmul(across, part), across.T)


def _between(voxels: int, pixels: int) -> Float[ndarray, "p d"]:
    """Weights that take values at voxels' middles to the middles of so many pixels."""
    place = np.clip((np.arange(pixels) + 0.5) * voxels / pixels - 0.5, 0, voxels - 1)
    weight = np.maximum(1 - np.abs(place[:, None] - np.arange(voxels)), 0)
    return weight.astype(np.float32)


def _depth(density: Float[ndarray, "e p p"], level: float) -> tuple[ndarray, NDArray[np.bool_]]:
    """How far a ray goes until the density reaches the level, in voxels, and whether it does."""
    above = density >= level
    seen = np.asarray(above.any(axis=0))
    first = above.argmax(0)
    before = np.maximum(first - 1, 0)
    high = np.take_along_axis(density, first[None], 0)[0]
    low = np.take_along_axis(density, before[None], 0)[0]
    share = np.clip((level - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    return before + share * (first > 0), seen


def _slopes(depth: Float[ndarray, "p p"]) -> tuple[ndarray, ndarray]:
    """How fast the depth grows upwards and to the right; at an edge, by the neighbours that are there."""
    from scipy.ndimage import gaussian_filter

    there = np.isfinite(depth)
    weight = gaussian_filter(there.astype(float), 1.0)
    smooth = gaussian_filter(np.where(there, depth, 0.0), 1.0) / np.maximum(weight, 1e-6)
    smooth = np.where(there, smooth, np.nan)
    slopes = []
    for axis in (0, 1):
        steps = np.diff(smooth, axis=axis)
        pad = [(0, 0), (0, 0)]
        pad[axis] = (1, 1)
        both = np.pad(steps, pad, constant_values=np.nan)
        pair = np.stack(
            [np.take(both, range(len(depth)), axis), np.take(both, range(1, len(depth) + 1), axis)]
        )
        known = np.isfinite(pair)
        slopes.append(np.where(known, pair, 0.0).sum(0) / np.maximum(known.sum(0), 1))
    return slopes[0], slopes[1]
