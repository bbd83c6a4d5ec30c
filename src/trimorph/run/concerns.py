"""What about a data set may spoil its result without being wrong: lines of warning for the log."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimorph.data.orientations import coverage, view_directions

UNSEEN = 0.05
"""Share of unseen directions in Fourier space that is worth a warning."""

OUTSIDE = 0.05
"""Share of the mean map's density beyond the particle radius that is worth a warning."""


def view_concerns(rotation: NDArray[np.float64]) -> list[str]:
    """Whether the views leave directions of the object undetermined, and around which axis.

    The axis is the first eigenvector of the mean of v v^T over the view directions v: a view tells nothing
    of the direction along which it looks.

    >>> len(view_concerns(np.stack([np.eye(3)] * 100)))
    1
    """
    unseen = coverage(rotation).unseen
    if unseen <= UNSEEN:
        return []
    view = view_directions(rotation)
    share, axes = np.linalg.eigh(view.T @ view / len(view))
    axis = axes[:, -1] * (1 if axes[np.abs(axes[:, -1]).argmax(), -1] > 0 else -1)
    return [
        f"warning: {100 * unseen:.0f} % of the directions in Fourier space are seen by hardly any of the "
        f"{len(view)} views, most of all those around the axis ({_numbers(axis, 2)}) of the object: the "
        f"views lie {100 * share[-1]:.0f} % along it (33 % where all views are as frequent). What map and "
        "modes show along this axis is not determined by the images. Add particles with other views, or do "
        "not interpret it"
    ]


def place_concerns(density: NDArray[np.float32], *, pixel_size: float, radius: float) -> list[str]:
    """Whether a part of the mean map lies beyond the particle radius (Å), where images fade out, or may well.

    That is where its centre of mass is farther than half the radius from the box's, as images may have lost
    what was beyond. Counted are voxels above half the 99.99th percentile, so that noise is not.
    """
    level = 0.5 * float(np.quantile(density, 0.9999))
    dense = np.where(density > max(level, 0.0), density, 0.0).astype(np.float64)
    if not dense.any():
        return []
    axis = (np.arange(len(density)) - len(density) // 2) * pixel_size
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    outside = float(dense[distance > radius].sum() / dense.sum())
    centre = [float((dense.sum(others) * axis).sum() / dense.sum()) for others in ((0, 1), (0, 2), (1, 2))]
    if outside <= OUTSIDE and np.linalg.norm(centre) <= 0.5 * radius:
        return []
    return [
        f"warning: {100 * outside:.0f} % of the mean map's density lies beyond the particle radius of "
        f"{radius:.0f} Å, where images fade out and noise is measured; its centre of mass is at (x, y, z) = "
        f"({_numbers(centre, 0)}) Å. Centre the particles (re-extract them around the molecule), or pass a "
        "larger --diameter"
    ]


def _numbers(values: NDArray[np.float64] | list[float], digits: int) -> str:
    return ", ".join(f"{round(float(value), digits) + 0.0:.{digits}f}" for value in values)
