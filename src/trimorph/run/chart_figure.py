"""Panels of latents and of the chart through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.run.panels import BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trimorph.run.chart import Chart

FEW = 2000
"""Particles up to which each is drawn as a point."""

COLOURS = "viridis"
"""Colours of a coordinate along the chart."""

UNITS = "(standard deviations)"


def draw_chart(axes: Axes, z: Float[ndarray, "n k"], chart: Chart) -> None:
    """The first two latents, coloured by the chart's first coordinate; that against a lone latent.

    ``z`` is in standard deviations.
    """
    first = chart.coordinate[:, 0]
    if z.shape[1] > 1:
        _draw_points(axes, z[:, :2], colour=first)
        axes.set(xlabel=f"$z_1$ {UNITS}", ylabel=f"$z_2$ {UNITS}")
    else:
        _draw_points(axes, np.column_stack([z[:, 0], first]))
        axes.set(xlabel=f"$z_1$ {UNITS}", ylabel="chart coordinate 1")


def draw_latents(axes: Axes, z: Float[ndarray, "n k"]) -> None:
    """The first two latents of every particle, in standard deviations."""
    _draw_points(axes, z[:, :2])
    axes.set(xlabel=f"$z_1$ {UNITS}", ylabel=f"$z_2$ {UNITS}")


def _draw_points(
    axes: Axes, point: Float[ndarray, "n 2"], *, colour: Float[ndarray, " n"] | None = None
) -> None:
    """Points where they are few, else their number in hexagons, or the mean of what colours them."""
    x, y = point.T
    if colour is not None:
        low, high = np.quantile(colour, [0.02, 0.98])
        shade = {"cmap": COLOURS, "vmin": low, "vmax": high}
        if len(x) <= FEW:
            axes.scatter(x, y, c=colour, s=5, linewidths=0, **shade)
        else:
            axes.hexbin(x, y, C=colour, gridsize=45, linewidths=0.1, **shade)
    elif len(x) <= FEW:
        axes.scatter(x, y, s=5, color=BLUE, linewidths=0, alpha=0.6)
    else:
        axes.hexbin(x, y, gridsize=45, cmap="Blues", mincnt=1, bins="log", linewidths=0.1)
