"""A picture of linear modes: what they explain, which are real, and where they change the density."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.methods.mode_verdict import SIGNIFICANT
from trimorph.reconstruction.figure import new_figure, save_figure
from trimorph.run.chart_figure import draw_chart
from trimorph.run.panels import BLUE, GREY, frame, scale_bar, sentences, show_change, show_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from trimorph.run.chart import Chart
    from trimorph.run.modes import Modes

MOST_SHOWN = 6


def draw_modes(
    path: Path,
    modes: Modes,
    *,
    z: Float[ndarray, "n k"],
    chart: Chart,
    mean: Float[ndarray, "d d d"],
    change: Callable[[int], Float[ndarray, "d d d"]],
    pixel_size: float,
) -> None:
    """Write a PNG: explained variance, held-out gain, half-set cosines by mode, the chart, and slices.

    ``z`` are the latents in standard deviations, ``change(k)`` is the change of density for one standard
    deviation of mode k, from 0.
    """
    figure = new_figure(13.0 if chart.count else 10.5, 7.1)
    figure.suptitle(sentences(modes.verdict, 130), fontsize=10)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 1.15])[:, 0]
    variance, gain, cosine, *last = top.subplots(1, 4 if chart.count else 3)
    _draw_variance(variance, modes)
    draw_gain(gain, modes)
    _draw_cosine(cosine, modes)
    for axes in last:
        draw_chart(axes, z, chart)
        axes.set_title(sentences(chart.summary, 34), fontsize=10)
    _draw_slices(bottom, mean, [change(number) for number in range(min(len(modes), MOST_SHOWN))], pixel_size)
    save_figure(figure, path, overwrite=False)


def draw_gain(axes: Axes, modes: Modes) -> None:
    """Held-out gain of every mode that was tried, with the margin that a real one needs."""
    number = np.arange(1, len(modes.gain) + 1)
    error = SIGNIFICANT * modes.gain_error
    for real, colour, label in ((True, BLUE, "real"), (False, GREY, "not real")):
        chosen = modes.real == real
        if not chosen.any():
            continue
        axes.bar(number[chosen], modes.gain[chosen], color=colour, width=0.7, label=label)
    axes.errorbar(number, modes.gain, yerr=error, fmt="none", ecolor="black", elinewidth=0.9, capsize=2)
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set(xlabel="mode of a half set", ylabel="log-likelihood, nats an image")
    axes.set_title("gain for images that were held out", fontsize=10)
    axes.legend(frameon=False, fontsize=8, title=f"bars: {SIGNIFICANT:g} standard errors", title_fontsize=8)
    _whole_ticks(axes, len(number))


def _draw_variance(axes: Axes, modes: Modes) -> None:
    number = np.arange(1, len(modes) + 1)
    colours = [BLUE if real else GREY for real in modes.real[: len(modes)]]
    axes.bar(number, 100 * modes.share, color=colours, width=0.7)
    axes.set(xlabel="mode", ylabel="% of the variance of all kept")
    axes.set_title(
        f"explained variance\ntogether {100 * modes.share_of_mean.sum():.2g} % of the mean map's power",
        fontsize=10,
    )
    _whole_ticks(axes, len(number))


def _draw_cosine(axes: Axes, modes: Modes) -> None:
    number = np.arange(1, len(modes) + 1)
    axes.plot(number, modes.cosine[: len(modes)], "o-", color=BLUE, markersize=4)
    axes.set(xlabel="principal angle", ylabel="cosine", ylim=(0, 1.05))
    axes.set_title("agreement of the half sets", fontsize=10)
    _whole_ticks(axes, len(number))


def _draw_slices(
    figure: SubFigure,
    mean: Float[ndarray, "d d d"],
    changes: list[Float[ndarray, "d d d"]],
    pixel_size: float,
) -> None:
    """Two slices through the place where most changes: the mean, then the modes, each on its own scale."""
    figure.suptitle(
        "slices through the place of most change: the mean, and what one standard deviation of each mode "
        "adds (blue) and takes (red),\neach on a scale of its own",
        fontsize=10,
    )
    axes = figure.subplots(2, 1 + len(changes), squeeze=False)
    power = np.square(changes).sum(0)
    cube = frame(mean, np.sqrt(power))
    mean, power, changes = mean[cube], power[cube], [change[cube] for change in changes]
    for row, (axis, place) in enumerate(_best_slices(power)):
        view, *parts = (np.take(density, place, axis=axis) for density in (mean, *changes))
        show_density(axes[row][0], view, low=0.0, high=float(np.quantile(view, 0.998)))
        axes[row][0].set_ylabel(f"slice across {'zyx'[axis]}", fontsize=9)
        for column, (part, change) in enumerate(zip(parts, changes, strict=True), start=1):
            show_change(axes[row][column], part, most=float(np.quantile(np.abs(change), 0.9998)))
            axes[0][column].set_title(f"mode {column}", fontsize=9)
    axes[0][0].set_title("mean", fontsize=9)
    scale_bar(axes[1][0], box=len(mean), pixel_size=pixel_size, colour="white")


def _best_slices(power: Float[ndarray, "d d d"]) -> list[tuple[int, int]]:
    """The two axes whose best slices hold most power, and where those slices lie."""
    sums = [power.sum(tuple(other for other in range(3) if other != axis)) for axis in range(3)]
    order = sorted(range(3), key=lambda axis: -float(sums[axis].max()))[:2]
    return [(axis, int(sums[axis].argmax())) for axis in sorted(order)]


def _whole_ticks(axes: Axes, last: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=min(last + 1, 10)))
    axes.set_xlim(0.4, last + 0.6)
    axes.spines[["top", "right"]].set_visible(False)
