"""A picture of a motion: the density at its start, and arrows to where it goes, seen from two sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.reconstruction.figure import new_figure, save_figure
from trimorph.run.motion_cloud import CloudMotion
from trimorph.run.motion_files import COLOURS, shown_arrows
from trimorph.run.panels import frame, scale_bar, show_density

MOST_DRAWN = 150
"""Arrows in a view; of more, some evenly spread over the lengths."""


def draw_motion(
    path: Path,
    motion: CloudMotion,
    *,
    density: Float[ndarray, "2 d d d"],
    pixel_size: float,
    title: str,
) -> None:
    """Write a PNG: projections of the start along the two axes across which most of the motion goes.

    ``density`` is that of start and end. Arrows have their length in the picture's scale, the depth that a
    view cannot show left out; their colour tells the whole length.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure = new_figure(9.6, 5.0)
    figure.suptitle(title, fontsize=10)
    box = density.shape[-1]
    cube = frame(density[0], density[1] - density[0])
    first = np.array([part.start for part in cube[::-1]])  # x, y, z
    place = motion.position[0] / pixel_size + box // 2 - first
    move = motion.displacement / pixel_size
    drawn = np.flatnonzero(shown_arrows(motion))
    drawn = drawn[np.argsort(motion.length[drawn])]  # the longest on top
    drawn = drawn[np.unique(np.linspace(0, len(drawn) - 1, MOST_DRAWN).astype(np.int64))]
    part = density[0][cube]
    panels = figure.subplots(1, 2)
    longest = max(float(motion.length[drawn].max(initial=0.0)), 1e-6)
    for axes, depth in zip(panels, _best_views(motion), strict=True):
        across, up = (axis for axis in range(3) if axis != depth)
        view = part.sum(axis=2 - depth)
        show_density(axes, view, low=0.0, high=1.3 * float(view.max()))
        axes.quiver(
            place[drawn, across],
            place[drawn, up],
            move[drawn, across],
            move[drawn, up],
            motion.length[drawn],
            angles="xy",
            scale_units="xy",
            scale=1.0,
            width=0.0035,
            cmap=COLOURS,
            clim=(0.0, longest),
        )
        axes.set_title(f"along {'xyz'[depth]}", fontsize=9)
        axes.set_xlabel("xyz"[across], fontsize=8, labelpad=1)
        axes.set_ylabel("xyz"[up], fontsize=8, labelpad=1)
        axes.set(xlim=(-0.5, len(part) - 0.5), ylim=(-0.5, len(part) - 0.5))
    scale_bar(panels[0], box=len(part), pixel_size=pixel_size, colour="white")
    scale = ScalarMappable(Normalize(0.0, longest), COLOURS)
    figure.colorbar(scale, ax=panels, label="displacement (Å)", shrink=0.8, pad=0.01)
    save_figure(figure, path, overwrite=False)


def _best_views(motion: CloudMotion) -> list[int]:
    """The two axes (x, y, z) along which least of the motion goes; of a still cloud, y and z."""
    along = motion.weight @ motion.displacement**2
    return sorted(sorted(range(3), key=lambda axis: (float(along[axis]), -axis))[:2])
