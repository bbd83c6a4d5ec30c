"""A picture of a path: over the latents, how many particles are near along it, and maps on the way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trimorph.analysis.paths import LatentPath
from trimorph.analysis.paths_crowd import Crowd
from trimorph.analysis.paths_plane import EMPTY, LINE, START, PathPlane
from trimorph.analysis.paths_views import PathViews
from trimorph.reconstruction.figure import new_figure, round_length, save_figure
from trimorph.run.panels import sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

SHOWN = 8
"""Maps of the strip, at most."""


def draw_path(
    path: Path, found: LatentPath, *, plane: PathPlane, crowd: Crowd, views: PathViews | None
) -> None:
    """Write a PNG of the path over the latents and the particles near it; with ``views``, of maps too."""
    figure = new_figure(10.4, 4.4 if views is None else 7.6)
    figure.suptitle(sentences(f"{crowd.verdict}.", 130), fontsize=10)
    rows = figure.subfigures(
        1 if views is None else 2, 1, squeeze=False, height_ratios=[1] if views is None else [1.25, 1]
    )
    left, right = rows[0][0].subplots(1, 2)
    _draw_over_latents(left, found, plane, crowd)
    _draw_crowd(right, found, crowd)
    if views is not None:
        _draw_strip(rows[1][0], found, crowd, views)
    save_figure(figure, path, overwrite=False)


def _draw_over_latents(axes: Axes, path: LatentPath, plane: PathPlane, crowd: Crowd) -> None:
    """The path, its points, and the anchors by their particles' numbers."""
    plane.draw(axes, hexagons=True)
    plane.line(axes)
    colours = np.where(crowd.empty, EMPTY, LINE)
    axes.scatter(
        plane.along[:, 0], plane.along[:, 1], s=16, c=colours, edgecolors="white", linewidths=0.5, zorder=4
    )
    ends = path.anchor[:-1] if path.closed else path.anchor
    for order, row in enumerate(ends):
        own = path.particle[row]
        axes.annotate(
            f"{own}" if own >= 0 else f"point {row + 1}",
            plane.along[row],
            xytext=(6, 6),
            textcoords="offset points",
            fontsize=8,
            fontweight="bold",
            color=START if order == 0 else LINE,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            zorder=5,
        )
    axes.set_title(f"{len(path)} points, length {path.length:.3g}; it begins at the green label", fontsize=10)


def _draw_crowd(axes: Axes, path: LatentPath, crowd: Crowd) -> None:
    """Particles near each point, against the usual number."""
    from matplotlib.ticker import MaxNLocator

    axes.axhspan(0, crowd.usual * 0.1, color=EMPTY, alpha=0.12, linewidth=0)
    axes.axhline(crowd.usual, color="grey", linewidth=0.9, linestyle=":")
    axes.plot(path.along, crowd.near, color=LINE, linewidth=1.2)
    axes.scatter(path.along, crowd.near, s=16, c=np.where(crowd.empty, EMPTY, LINE), zorder=3)
    for row in path.anchor:
        axes.axvline(path.along[row], color=LINE, linewidth=0.6, alpha=0.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    top = max(crowd.near.max(), crowd.usual) * 1.12
    room = 0.02 * path.length
    axes.set(xlim=(-room, path.length + room), ylim=(0, top), xlabel="length along the path")
    axes.set_ylabel(f"particles within {crowd.radius:.3g}")
    axes.text(
        0.99,
        crowd.usual / top + 0.012,
        "usual",
        transform=axes.transAxes,
        fontsize=8,
        color="grey",
        ha="right",
    )
    axes.text(0.99, 0.008, "empty", transform=axes.transAxes, fontsize=8, color=EMPTY, ha="right")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("particles near the path; lines are the anchors", fontsize=10)


def _draw_strip(figure: SubFigure, path: LatentPath, crowd: Crowd, views: PathViews) -> None:
    """Surfaces and projections at some points from the first to the last."""
    some = np.unique(np.linspace(0, len(path) - 1, SHOWN).round().astype(int))
    axes = figure.subplots(2, len(some), squeeze=False)
    for column, number in enumerate(some):
        axes[0][column].imshow(views.surface[number], interpolation="bilinear")
        axes[1][column].imshow(
            views.projection[number, views.axis],
            cmap="gray",
            vmin=views.low[views.axis],
            vmax=views.high[views.axis],
            origin="lower",
            interpolation="bilinear",
        )
        own = path.particle[number]
        axes[0][column].set_title(
            f"{number + 1}" + (f" ({own})" if own >= 0 else ""),
            fontsize=9,
            color=EMPTY if crowd.empty[number] else "black",
        )
        for row in axes:
            row[column].set(xticks=[], yticks=[])
            row[column].spines[:].set_visible(False)
    pixels, length = views.projection.shape[-1], round_length(views.side / 3)
    axes[1][0].plot(
        [0.06 * pixels, (0.06 + length / views.side) * pixels],
        [0.07 * pixels] * 2,
        color="white",
        linewidth=2.5,
    )
    axes[1][0].text(0.06 * pixels, 0.11 * pixels, f"{length:g} Å", color="white", fontsize=7.5)
    figure.supxlabel(
        f"surfaces along {'zyx'[views.axis]} at one level, with the outline of the first, and projections "
        "in one range of greys; particles in brackets",
        fontsize=8,
    )
