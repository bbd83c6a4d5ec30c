"""Frames of a movie along a path: the map, where it is among the particles, and how many are near."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from trimorph.analysis.paths import LatentPath
from trimorph.analysis.paths_crowd import Crowd
from trimorph.analysis.paths_plane import EMPTY, LINE, PathPlane
from trimorph.analysis.paths_views import PathViews
from trimorph.reconstruction.figure import round_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT, DOTS = 9.6, 4.0, 100
"""Inches of a frame, and dots an inch."""

SIDES = ("x, y", "x, z", "y, z")
"""What lies across and up in projections along z, y and x."""


def movie_frames(
    path: LatentPath,
    plane: PathPlane,
    crowd: Crowd,
    views: PathViews,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[UInt8[ndarray, "h w 3"]]:
    """A picture of each point: surface and projections at one scale, place among the latents, and label."""
    figure, large, small, latents = _frame(views)
    plane.draw(latents, hexagons=False)
    latents.tick_params(labelsize=8)
    plane.line(latents)
    (here,) = latents.plot([], [], "o", markersize=11, markeredgecolor="white", markeredgewidth=1.5, zorder=4)
    label = figure.text(0.02, 0.93, "", fontsize=11, fontweight="bold")
    warning = figure.text(0.98, 0.93, "", fontsize=11, color=EMPTY, ha="right", fontweight="bold")
    surface = large.imshow(views.surface[0], interpolation="bilinear")
    projections = [
        axes.imshow(view, cmap="gray", vmin=low, vmax=high, origin="lower", interpolation="bilinear")
        for axes, view, low, high in zip(small, views.projection[0], views.low, views.high, strict=True)
    ]
    _scale(large, views)
    frames = []
    for number in range(len(path)):
        surface.set_data(views.surface[number])
        for shown, view in zip(projections, views.projection[number], strict=True):
            shown.set_data(view)
        empty = bool(crowd.empty[number])
        here.set_data(*plane.along[[number]].T)
        here.set_color(EMPTY if empty else LINE)
        here.set_markeredgecolor("white")
        label.set_text(_label(path, crowd, number))
        warning.set_text("empty space: a guess of the model" if empty else "")
        frames.append(_pixels(figure))
        if progress is not None:
            progress(number + 1, len(path))
    return frames


def _frame(views: PathViews) -> tuple[Figure, Axes, list[Axes], Axes]:
    """An empty frame: axes of the surface, of three projections, and of the latents."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    tall = 0.86
    large = figure.add_axes((0.01, 0.03, tall * HEIGHT / WIDTH, tall))
    third = tall / 3
    small = [
        figure.add_axes((0.385, 0.03 + (2 - row) * third, third * HEIGHT / WIDTH * 0.97, third * 0.97))
        for row in range(3)
    ]
    for axes, name in zip(small, SIDES, strict=True):
        axes.text(0.04, 0.04, name, transform=axes.transAxes, color="white", fontsize=7)
    for axes in (large, *small):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    seen = f"along {'zyx'[views.axis]}; orange: the first"
    large.text(0.99, 0.01, seen, transform=large.transAxes, fontsize=8, ha="right")
    return figure, large, small, figure.add_axes((0.585, 0.15, 0.40, 0.72))


def _scale(axes: Axes, views: PathViews) -> None:
    """A bar of a round length in the lower left corner of the surface."""
    pixels = views.surface.shape[1]
    length = round_length(views.side / 4)
    start, low = 0.03 * pixels, 0.97 * pixels
    axes.plot([start, start + length / views.side * pixels], [low] * 2, color="black", linewidth=3)
    axes.text(start, low - 0.02 * pixels, f"{length:g} Å", fontsize=9)


def _label(path: LatentPath, crowd: Crowd, number: int) -> str:
    """What stands over a frame."""
    latent = ", ".join(f"{value:.2f}" for value in path.z[number][:4])
    more = ", ..." if path.z.shape[1] > 4 else ""
    whose = f"   particle {path.particle[number]}" if path.particle[number] >= 0 else ""
    return (
        f"{number + 1} / {len(path)}{whose}   z = ({latent}{more})   {crowd.near[number]} of {crowd.total} "
        "particles near"
    )


def _pixels(figure: Figure) -> UInt8[ndarray, "h w 3"]:
    """The figure as it looks."""
    with BytesIO() as buffer:
        figure.savefig(buffer, format="raw", dpi=DOTS)
        colours = np.frombuffer(buffer.getvalue(), np.uint8)
    pixels: UInt8[ndarray, "h w 3"] = colours.reshape(round(HEIGHT * DOTS), round(WIDTH * DOTS), 4)[..., :3]
    return pixels
