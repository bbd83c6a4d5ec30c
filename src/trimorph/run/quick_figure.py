"""The picture of the first minute: latents, maps along their chart or first mode, the mean map's FSC."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.fsc import resolution_at
from trimorph.reconstruction.figure import new_figure, save_figure
from trimorph.run.chart_figure import draw_chart, draw_latents
from trimorph.run.modes_figure import draw_gain
from trimorph.run.panels import BLUE, frame, scale_bar, sentences, show_change, show_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from trimorph.run.chart import Chart
    from trimorph.run.modes import Modes
    from trimorph.run.quick_places import Place

FAINT = 0.1
"""Change, over the brightest of the map, below which colours are pale: what is small shall look small."""

ORANGE = "#e07b00"


def draw_quick(
    path: Path,
    modes: Modes,
    *,
    z: Float[ndarray, "n k"],
    chart: Chart | None,
    places: list[Place],
    maps: Float[ndarray, "m d d d"],
    mean: Float[ndarray, "d d d"],
    pixel_size: float,
    fsc: tuple[Float[ndarray, " s"], Float[ndarray, " s"]] | None,
) -> None:
    """Write a PNG of latents (in standard deviations), and of maps at places along the chart.

    Without a chart, places lie along the first latent. ``fsc`` holds frequencies in 1/Å and the mean map's
    half-map FSC.
    """
    figure = new_figure(11.0, 8.6)
    figure.suptitle(sentences(modes.verdict, 120), fontsize=10.5)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 1.25])[:, 0]
    plane = z.shape[1] > 1
    names = [*(["latents"] if plane else []), "first", "gain", *(["fsc"] if fsc is not None else [])]
    axes = dict(zip(names, top.subplots(1, len(names)), strict=True))
    if plane:
        _draw_plane(axes["latents"], z, chart, places)
    _draw_histogram(axes["first"], z, chart, places)
    draw_gain(axes["gain"], modes)
    if fsc is not None:
        _draw_fsc(axes["fsc"], *fsc, modes_to=modes.resolution)
    _draw_maps(bottom, maps, mean, places, pixel_size, along=_along(chart))
    save_figure(figure, path, overwrite=False)


def _draw_plane(axes: Axes, z: Float[ndarray, "n k"], chart: Chart | None, places: list[Place]) -> None:
    """The first two latents of every particle, and where the maps are made."""
    if chart is None:
        draw_latents(axes, z)
        title = f"latents of {len(z):,} particles"
    else:
        draw_chart(axes, z, chart)
        title = f"latents, coloured along {_along(chart)}"
    path = np.array([place.z[:2] for place in places])
    line = "o" if chart is not None and chart.count > 1 else "o-"
    axes.plot(*path.T, line, color=ORANGE, markersize=5, linewidth=1, markeredgecolor="white")
    axes.set_title(title, fontsize=10)


def _draw_histogram(axes: Axes, z: Float[ndarray, "n k"], chart: Chart | None, places: list[Place]) -> None:
    first = z[:, 0] if chart is None else chart.coordinate[:, 0]
    axes.hist(first, bins=min(max(len(first) // 50, 12), 60), color=BLUE)
    for place in places:
        axes.axvline(place.coordinate[0], color=ORANGE, linewidth=1)
    label = "$z_1$ (standard deviations)" if chart is None else "chart coordinate 1"
    axes.set(xlabel=label, ylabel="particles")
    axes.set_title(f"along {_along(chart)}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _along(chart: Chart | None) -> str:
    if chart is None:
        return "the first mode"
    return "the chart" if chart.count == 1 else "chart coordinate 1"


def _draw_fsc(
    axes: Axes, frequency: Float[ndarray, " s"], curve: Float[ndarray, " s"], *, modes_to: float
) -> None:
    last = float(frequency[-1])
    axes.plot(frequency, curve, color=BLUE, linewidth=1.6)
    axes.axhline(0.143, color="grey", linewidth=0.7, linestyle=":")
    axes.axvline(1 / modes_to, color=ORANGE, linewidth=1)
    axes.text(1 / modes_to, 0.02, " modes", color=ORANGE, fontsize=8, ha="left")
    axes.set(xlim=(0, last), ylim=(min(-0.05, float(curve[1:].min()) - 0.03), 1.05))
    axes.set(xlabel="frequency (1/Å)", ylabel="FSC of half maps")
    axes.locator_params(axis="x", nbins=4)
    axes.set_title(f"mean map: {_resolution(frequency, curve)}", fontsize=10)


def _resolution(frequency: Float[ndarray, " s"], curve: Float[ndarray, " s"]) -> str:
    import torch

    side = 1 / float(frequency[1])
    box = 2 * (len(curve) - 1)
    found = resolution_at(torch.as_tensor(curve), 0.143, box=box, pixel_size=side / box)
    return "halves disagree" if np.isinf(found) else f"{found:.3g} Å"


def _draw_maps(
    figure: SubFigure,
    maps: Float[ndarray, "m d d d"],
    mean: Float[ndarray, "d d d"],
    places: list[Place],
    pixel_size: float,
    *,
    along: str,
) -> None:
    """Projections along the axis that shows most change, over what is added to and taken from the mean."""
    cube = (slice(None), *frame(mean, maps[-1] - maps[0]))
    seen = maps[cube]
    change = seen - mean[cube[1:]]
    axis = max((1, 2, 3), key=lambda along: float(np.square(change.sum(along)).sum()))
    views, changes = seen.sum(axis), change.sum(axis)
    low, high = 0.0, float(np.quantile(views, 0.998))
    most = max(float(np.quantile(np.abs(changes), 0.998)), FAINT * high)
    figure.suptitle(
        f"maps at the mean latents of particles that lie along {along}, projected along {'zyx'[axis - 1]};\n"
        "below, what each adds to the mean map (blue) and takes from it (red)",
        fontsize=10,
    )
    axes = figure.subplots(2, len(maps), squeeze=False)
    for column, (view, part) in enumerate(zip(views, changes, strict=True)):
        show_density(axes[0][column], view, low=low, high=high)
        show_change(axes[1][column], part, most=most)
        place = places[column]
        title = f"{place.percentile:g} %, at {place.coordinate[0]:+.2f}"
        axes[0][column].set_title(title, fontsize=9, color=ORANGE)
    axes[0][0].set_ylabel("map", fontsize=9)
    axes[1][0].set_ylabel("map less mean", fontsize=9)
    scale_bar(axes[0][0], box=seen.shape[-1], pixel_size=pixel_size, colour="white")
