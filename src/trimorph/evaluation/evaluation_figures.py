"""Pictures of an evaluation: curves, latents by truth, confusion of classes, populations of states."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.evaluation.evaluate import Evaluation
from trimorph.evaluation.evaluation_table import number
from trimorph.evaluation.latent_scores import spread
from trimorph.evaluation.map_scores import HALF, Curves
from trimorph.evaluation.recovery import component_scores
from trimorph.evaluation.scored import Scored
from trimorph.evaluation.truth_spaces import ordered
from trimorph.reconstruction.figure import new_figure, resolution_axis, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#1b4f9c", "#c2571a", "#2e7d4f", "#8e3a8a", "#b8860b", "#4a4a4a", "#0e8a93", "#a03048")
GREY = "#9a9a9a"
_DRAWN, _BINS = 5000, 25


def draw_evaluation(found: Evaluation, folder: Path) -> None:
    """Write fsc.png, latents.png, and for classes confusion.png, or populations.png for coordinates."""
    if found.blind_images is not None:
        draw_curves(found, folder / "fsc.png")
    draw_latents(found, folder / "latents.png")
    if any(each.latents.match is not None for each in found.scored):
        draw_confusion(found, folder / "confusion.png")
    if any(each.latents.estimate is not None for each in found.scored):
        draw_populations(found, folder / "populations.png")


def draw_curves(found: Evaluation, path: Path) -> None:
    """Mean per-image FSC of each candidate with its standard deviation, whole and in the mask."""
    blind = found.blind_images
    assert blind is not None
    figure = new_figure(9.6, 4.4)
    for place, masked in enumerate((False, True)):
        axes = figure.add_subplot(1, 2, place + 1)
        frequency = blind.frequency[:-1]
        for each, colour in zip(found.scored, _cycle(COLOURS, len(found.scored)), strict=True):
            if each.images is not None:
                mean, deviation = _moments(each.images, masked=masked)
                axes.fill_between(
                    frequency, mean - deviation, mean + deviation, color=colour, alpha=0.18, lw=0
                )
                axes.plot(frequency, mean, color=colour, linewidth=1.6, label=each.name)
        axes.plot(
            frequency, _moments(blind, masked=masked)[0], color=GREY, linestyle="--", label="one map for all"
        )
        axes.axhline(HALF, color=GREY, linewidth=0.7, linestyle=":")
        axes.set(xlim=(0, frequency[-1]), ylim=(min(0.0, axes.get_ylim()[0]), 1.02), xlabel="1/Å")
        axes.set_title(f"FSC with the true map{', in the mask' if masked else ''}", fontsize=10)
        resolution_axis(axes, frequency[-1])
        if not masked:
            axes.set_ylabel("mean over images ± standard deviation")
            axes.legend(fontsize=8, frameon=False, loc="lower left")
    save_figure(figure, path, False)


def draw_latents(found: Evaluation, path: Path) -> None:
    """Latents of each candidate along two principal components, and the coordinate that they tell."""
    known = ordered(found.truth)
    figure = new_figure(9.2 if known else 5.2, 3.9 * len(found.scored))
    columns = 2 if known else 1
    for row, each in enumerate(found.scored):
        axes = figure.add_subplot(len(found.scored), columns, columns * row + 1)
        rows = spread(len(each.candidate.z), _DRAWN)
        components = component_scores(each.candidate.z)[rows]
        second = components[:, 1] if components.shape[1] > 1 else np.zeros(len(rows))
        place = components[:, 0], second
        if known:
            colours = "hsv" if found.truth.circular else "viridis"
            points = axes.scatter(*place, c=each.truth.coordinate[rows], s=4, linewidths=0, cmap=colours)
            figure.colorbar(points, ax=axes, label=found.truth.quantity)
        else:
            _draw_classes(axes, place, each.truth.state[rows], found)
        axes.set(xlabel="latent PC 1", ylabel="latent PC 2")
        axes.set_title(f"{each.name}: latents by truth", fontsize=10)
        if each.latents.estimate is not None and each.latents.true is not None:
            _draw_told(figure.add_subplot(len(found.scored), columns, columns * row + 2), each, found)
    save_figure(figure, path, False)


def draw_confusion(found: Evaluation, path: Path) -> None:
    """Share of each state's particles in each cluster, clusters in the order of their states."""
    shown = [each for each in found.scored if each.latents.match is not None]
    figure = new_figure(4.6 * len(shown), 4.4)
    for place, each in enumerate(shown):
        match = each.latents.match
        assert match is not None
        axes = figure.add_subplot(1, len(shown), place + 1)
        order = match.pairs[np.argsort(match.pairs[:, 1]), 0]
        rest = np.setdiff1d(np.arange(len(match.first)), order)
        table = match.table[np.concatenate([order, rest])].T
        share = table / table.sum(1, keepdims=True)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        if share.size <= 144:
            for (i, j), value in np.ndenumerate(share):
                colour = "white" if value > 0.6 else "black"
                axes.text(j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=8, color=colour)
        names = [str(found.truth.state_names[state]) for state in match.second]
        few = len(names) <= 20
        axes.set_yticks(range(len(names)) if few else [], names if few else [], fontsize=8)
        axes.set_xticks([])
        axes.set(xlabel="cluster, matched to the states", ylabel="true state")
        axes.set_title(f"{each.name}: {100 * match.agreement:.1f} % agree", fontsize=10)
    save_figure(figure, path, False)


def draw_populations(found: Evaluation, path: Path) -> None:
    """Distribution of the true coordinate, and of that which the latents tell."""
    figure = new_figure(5.6, 2.6 * len(found.scored) + 0.4)
    edges = _edges(found.truth.coordinate)
    for row, each in enumerate(found.scored):
        if each.latents.estimate is None or each.latents.true is None:
            continue
        axes = figure.add_subplot(len(found.scored), 1, row + 1)
        axes.hist(each.latents.true, edges, color="#d5d5d5", label="true")
        colour = COLOURS[row % len(COLOURS)]
        told = each.latents.estimate
        if found.truth.circular:
            told = np.where(told > edges[-1], told - 2 * np.pi, told)
        axes.hist(told, edges, histtype="step", color=colour, linewidth=1.5, label="by the latents")
        error = number(each.values["population_error"])
        axes.set_title(f"{each.name}: earth mover's distance {error}", fontsize=10)
        axes.set_ylabel("particles")
        axes.legend(fontsize=8, frameon=False)
        axes.set_ylim(0, 1.25 * axes.get_ylim()[1])
    axes.set_xlabel(found.truth.quantity)
    save_figure(figure, path, False)


def _draw_classes(
    axes: Axes,
    place: tuple[Float[ndarray, " m"], Float[ndarray, " m"]],
    state: Int[ndarray, " m"],
    found: Evaluation,
) -> None:
    """Points with a colour for each state, and its name where there are not many."""
    from matplotlib import colormaps

    states = np.unique(found.truth.state)
    for order, which in enumerate(states):
        few = len(states) <= len(COLOURS)
        colour = COLOURS[order] if few else colormaps["turbo"](order / (len(states) - 1))
        mine = state == which
        name = str(found.truth.state_names[which]) if few else None
        axes.scatter(place[0][mine], place[1][mine], color=colour, s=4, linewidths=0, label=name)
    if len(states) <= len(COLOURS):
        axes.legend(fontsize=8, frameon=False, markerscale=3)


def _draw_told(axes: Axes, each: Scored, found: Evaluation) -> None:
    estimate, true = each.latents.estimate, each.latents.true
    assert estimate is not None
    assert true is not None
    rows = spread(len(true), _DRAWN)
    axes.scatter(true[rows], estimate[rows], s=4, c="0.25", alpha=0.5, linewidths=0)
    ends = [float(true.min()), float(true.max())]
    axes.plot(ends, ends, color=COLOURS[1], linewidth=1)
    axes.set(xlabel=f"true {found.truth.quantity}", ylabel="as neighbours tell it")
    axes.set_title(f"correlation {number(each.values['neighbour_correlation'])}", fontsize=10)


def _edges(coordinate: Float[ndarray, " n"]) -> list[float]:
    """Edges of bins half way between states, each bin with as many states as another."""
    values = np.unique(coordinate)
    between = 0.5 * (values[1:] + values[:-1])
    many = -(-len(values) // _BINS)
    ends = values[0] - (between[0] - values[0]), values[-1] + (values[-1] - between[-1])
    return [float(edge) for edge in (ends[0], *between[many - 1 :: many], ends[1])]


def _moments(curves: Curves, *, masked: bool) -> tuple[Float[ndarray, " s"], Float[ndarray, " s"]]:
    values = (curves.masked if masked else curves.whole)[:, :-1]
    return values.mean(0), values.std(0)


def _cycle(colours: tuple[str, ...], count: int) -> list[str]:
    return [colours[place % len(colours)] for place in range(count)]
