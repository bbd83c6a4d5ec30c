"""Pictures of latents: states, components, and any column of the particles.

Letters: n particles, d latent components, k states.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.analysis.components import Components
from trimorph.analysis.plane import Plane, Shown, axis_limits, colour_limits
from trimorph.analysis.report_tiles import colour_of
from trimorph.analysis.states import States
from trimorph.reconstruction.figure import new_figure, save_figure
from trimorph.run.panels import BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAIRS = ((0, 1), (0, 2), (1, 2))
"""Principal components that are drawn against each other."""

BARS = 60
"""Bars of a histogram."""

LISTED = 10
"""Components whose share is drawn."""


def draw_states(path: Path, plane: Plane, states: States) -> None:
    """Particles in the colours of their states beside their density, with the numbers of the centres."""
    figure = new_figure(9.4, 4.0)
    left, right = figure.subplots(1, 2)
    some = plane.some()
    colours = np.array([colour_of(number) for number in range(-1, states.count)])
    left.scatter(plane.x[some], plane.y[some], c=colours[states.label[some] + 1], **_points(len(some)))
    plane.frame(left)
    left.set_title(f"{len(plane.x):,} particles in {states.count} states ({states.name})", fontsize=10)
    plane.hexagons(right)
    right.set_title("density, and the particle in the middle of each state", fontsize=10)
    for place, row in enumerate(states.centre):
        for axes in (left, right):
            _number(axes, float(plane.x[row]), float(plane.y[row]), place)
    save_figure(figure, path, overwrite=False)


def draw_states_on_line(path: Path, scores: Float[ndarray, " n"], states: States, *, name: str) -> None:
    """A histogram of latents with one component, in the colours of the states, with the centres' numbers."""
    figure = new_figure(7.2, 3.8)
    axes = figure.add_subplot()
    edges = np.linspace(*axis_limits(scores), BARS + 1)
    own = [scores[states.label == number] for number in range(states.count)]
    axes.hist(
        own, bins=edges.tolist(), stacked=True, color=[colour_of(number) for number in range(states.count)]
    )
    for place, row in enumerate(states.centre):
        _number(axes, float(scores[row]), 0.04 * axes.get_ylim()[1], place)
    axes.set(xlabel=name, ylabel="particles", xlim=(edges[0], edges[-1]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"{len(scores):,} particles in {states.count} states ({states.name})", fontsize=10)
    save_figure(figure, path, overwrite=False)


def draw_column(path: Path, plane: Plane, shown: Shown) -> None:
    """Particles in the plane coloured by a column, beside the mean of the column in each place."""
    figure = new_figure(9.4, 4.0)
    left, right = figure.subplots(1, 2)
    some = plane.some()
    x, y, value = plane.x[some], plane.y[some], shown.values[some]
    if shown.kinds:
        for kind, text in enumerate(shown.kinds):
            rows = value == kind
            left.scatter(x[rows], y[rows], color=colour_of(kind), label=text, **_points(len(some)))
        legend = left.legend(title=shown.label, fontsize=8, title_fontsize=8, frameon=False)
        for handle in legend.legend_handles:
            handle.set(sizes=[20], alpha=1.0)
    else:
        drawn = left.scatter(x, y, c=value, cmap=shown.colours, **_points(len(some)))
        if np.isfinite(value).any():
            drawn.set_clim(*((-180.0, 180.0) if shown.circular else colour_limits(value)))
        figure.colorbar(drawn, ax=left, label=shown.label, shrink=0.85, pad=0.02, aspect=28)
    plane.frame(left)
    left.set_title(f"particles by {shown.label}", fontsize=10)
    plane.hexagons(right, shown)
    right.set_title("all particles in each place", fontsize=10)
    save_figure(figure, path, overwrite=False)


def draw_column_on_line(
    path: Path, scores: Float[ndarray, " n"], shown: Shown, states: States, *, name: str
) -> None:
    """A column against the only component of latents: particles in their states' colours, and density."""
    height = shown.values
    if shown.kinds:
        height = height + np.random.default_rng(0).uniform(-0.3, 0.3, len(height))
    known = np.isfinite(height)
    plane = Plane(scores[known], height[known], (name, shown.label))
    figure = new_figure(9.4, 4.0)
    left, right = figure.subplots(1, 2)
    some = plane.some()
    colours = np.array([colour_of(number) for number in range(-1, states.count)])
    left.scatter(plane.x[some], plane.y[some], c=colours[states.label[known][some] + 1], **_points(len(some)))
    plane.frame(left)
    plane.hexagons(right)
    for axes in (left, right):
        if shown.kinds:
            axes.set_yticks(range(len(shown.kinds)), shown.kinds)
    left.set_title("particles in the colours of their states", fontsize=10)
    right.set_title("density", fontsize=10)
    save_figure(figure, path, overwrite=False)


def draw_components(path: Path, components: Components) -> None:
    """The share of each principal component in the variance, and the first three against each other."""
    count = len(components.axes)
    pairs = [pair for pair in PAIRS if max(pair) < count]
    figure = new_figure(3.4 * (1 + max(len(pairs), 1)), 3.4)
    axes = figure.subplots(1, 1 + max(len(pairs), 1))
    share = 100 * components.share[:LISTED]
    axes[0].bar(np.arange(1, len(share) + 1), share, color=BLUE)
    axes[0].set(xlabel="principal component", ylabel="share of the variance (%)")
    axes[0].set_xticks(np.arange(1, len(share) + 1))
    axes[0].spines[["top", "right"]].set_visible(False)
    for place, (first, second) in zip(axes[1:], pairs, strict=False):
        names = component_name(components, first), component_name(components, second)
        Plane(components.scores[:, first], components.scores[:, second], names).hexagons(place)
    if not pairs:
        scores = components.scores[:, 0]
        axes[1].hist(scores, bins=np.linspace(*axis_limits(scores), BARS + 1).tolist(), color=BLUE)
        axes[1].set(xlabel=component_name(components, 0), ylabel="particles")
        axes[1].spines[["top", "right"]].set_visible(False)
    save_figure(figure, path, overwrite=False)


def draw_junk(
    path: Path, magnitude: Float[ndarray, " n"], misfit: Float[ndarray, " n"], limit: float
) -> None:
    """How far each latent is from the mean, and how badly its particle is explained, with a line for junk."""
    figure = new_figure(5.6, 4.4)
    axes = figure.add_subplot()
    Plane(magnitude, misfit, ("magnitude of the latent", "misfit")).hexagons(axes)
    low, high = axes.get_ylim()
    axes.set_ylim(low, max(high, limit + 0.05 * (limit - low)))
    axes.axhline(limit, color="#b3362c", linewidth=1.0, linestyle="--")
    axes.set_title(f"{int((misfit > limit).sum()):,} of {len(misfit):,} beyond {limit:.3g}", fontsize=10)
    save_figure(figure, path, overwrite=False)


def component_name(components: Components, number: int) -> str:
    """The name of an axis, with its share of the variance.

    >>> from trimorph.analysis.components import find_components
    >>> component_name(find_components(np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 0)
    'pc1 (90 %)'
    """
    return f"pc{number + 1} ({100 * components.share[number]:.0f} %)"


def _number(axes: Axes, x: float, y: float, place: int) -> None:
    """The number of a state on a disc of its colour."""
    disc = {"boxstyle": "circle,pad=0.25", "facecolor": colour_of(place), "edgecolor": "white"}
    axes.annotate(
        str(place + 1),
        (x, y),
        ha="center",
        va="center",
        color="white",
        fontsize=8,
        fontweight="bold",
        bbox=disc,
    )


def _points(count: int) -> dict[str, Any]:
    """How points are drawn, the smaller the more there are."""
    return {
        "s": float(np.clip(20_000 / max(count, 1), 1.5, 14)),
        "alpha": 0.6,
        "linewidths": 0,
        "rasterized": True,
    }
