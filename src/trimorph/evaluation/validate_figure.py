"""A picture of a validation: z against the null, effect sizes, both halves' latents, and the power."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trimorph.reconstruction.figure import new_figure, save_figure
from trimorph.run.panels import BLUE, GREY, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trimorph.evaluation.validate import Validation

RED, SHOWN = "#b3322a", 2000


def draw_validation(path: Path, found: Validation, *, level: float) -> None:
    """Write a PNG."""
    count = 4 if found.power is not None else 3
    figure = new_figure(4.0 * count, 4.3)
    figure.suptitle(sentences(found.lines[0], 40 * count), fontsize=11)
    axes = figure.subplots(1, count)
    _draw_null(axes[0], found)
    _draw_effects(axes[1], found)
    _draw_latents(axes[2], found)
    if found.power is not None:
        _draw_power(axes[3], found, level)
    save_figure(figure, path, overwrite=False)


def _draw_null(axes: Axes, found: Validation) -> None:
    """Values of z where nothing differs, and those of the modes."""
    modes = found.modes
    axes.set_xscale("symlog", linthresh=4, linscale=2)
    bins = np.linspace(-4, 4, 17)
    axes.hist(
        found.null.z, bins=bins.tolist(), color=GREY, label=f"nothing differs, {len(found.null.z)} values"
    )
    top = axes.get_ylim()[1]
    for place, mode in enumerate(modes):
        height = top * (1 - 0.8 * (place + 0.5) / len(modes))
        axes.plot([mode.z] * 2, [0, height], color=BLUE if mode.real else RED, linewidth=1.2)
        axes.text(
            mode.z, height, f" {_short(mode.name)}", fontsize=7, va="center", color=BLUE if mode.real else RED
        )
    axes.plot([], [], color=BLUE, label="real")
    axes.plot([], [], color=RED, label="not shown")
    most = max(max(mode.z for mode in modes), 4.0)
    axes.set_xlim(-6, 8 * most)
    ticks = [value for value in (-4, -2, 0, 2, 4, 10, 30, 100, 300, 1000) if value < 8 * most]
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
    axes.set_xticks([], minor=True)
    axes.set_ylim(0, 1.25 * top)
    axes.set(xlabel="z", ylabel="values", title="Modes against the null")
    axes.legend(fontsize=7, frameon=False, loc="upper left", ncols=3, handlelength=1)


def _draw_effects(axes: Axes, found: Validation) -> None:
    """Correlation of both halves of the pixels."""
    modes = found.modes[::-1]
    place = np.arange(len(modes))
    axes.barh(
        place, [mode.correlation for mode in modes], color=[BLUE if mode.real else RED for mode in modes]
    )
    for at, mode in enumerate(modes):
        text = f" {100 * mode.share_of_mean:.2g} %" if mode.share_of_mean > 0 else ""
        axes.text(max(mode.correlation, 0), at, text, fontsize=7, va="center")
    axes.set_yticks(place, [_short(mode.name) for mode in modes], fontsize=7)
    low = min(0.0, *(1.2 * mode.correlation for mode in modes))
    axes.set_xlim(low, max(0.2, 1.25 * max(mode.correlation for mode in modes)))
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set(xlabel="correlation of both halves of the pixels", title="Size, and share of the mean's power")


def _draw_latents(axes: Axes, found: Validation) -> None:
    """Latents by two models that share no particle, or by two halves of the pixels."""
    if found.crossed is not None:
        first, second = found.crossed[0].latents
        axes.set(
            xlabel="by the model of half set 1", ylabel="by the model of half set 2",
            title=f"Latents of the same particles, r {found.crossed[0].link:.2f}\n"
            f"(nothing differs: {found.crossed[0].redrawn_link:.2f})",
        )  # fmt: skip
    else:
        side = found.linear.sides[0]
        first, second = side.scores.first[:, 0], side.scores.second[:, 0]
        axes.set(
            xlabel="half of the pixels", ylabel="other half",
            title=f"Linear mode 1 of half set 1 in half set 2, r {side.correlation[0]:.2f}",
        )  # fmt: skip
    axes.title.set_fontsize(10)
    axes.scatter(first[:SHOWN], second[:SHOWN], s=3, color=BLUE, alpha=0.4, linewidths=0)


def _draw_power(axes: Axes, found: Validation, level: float) -> None:
    """The z of each shift."""
    power = found.power
    assert power is not None  # so asked
    shift = [rung.shift for rung in power.rungs]
    axes.plot(shift, [rung.z for rung in power.rungs], color=GREY, linewidth=1)
    for rung in power.rungs:
        axes.plot(rung.shift, rung.z, "o", color=BLUE if rung.real else RED, markersize=6)
    axes.set_xscale("log")
    axes.set_xticks(shift, [f"{value:g}" for value in shift])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="shift of the region, Å", ylabel="largest z", title="Digital twin")
    axes.title.set_fontsize(10)
    axes.text(
        0.03, 0.97, f"blue: detected (p < {level:g})\n{100 * power.region.share:.0f} % of the density, in\n"
        f"{100 * power.moved:.0f} % of the particles", transform=axes.transAxes, va="top", fontsize=7,
    )  # fmt: skip


def _short(name: str) -> str:
    return name.replace("mode of the run", "run").replace("linear mode", "linear")
