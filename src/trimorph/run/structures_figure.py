"""A picture of moved structures: the states, segments along the chains, and what particles do."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from trimorph.reconstruction.figure import new_figure, save_figure
from trimorph.run.structures_panels import (
    Pictured,
    draw_distance,
    draw_path,
    draw_segments,
    draw_trace,
    draw_turns,
)

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

MOST_DISTANCES = 3
"""Distances that are drawn; all are in the table."""


def draw_structures(path: Path, seen: Pictured, *, title: str, verdict: str) -> None:
    """Write a PNG: the states from two sides, segments and displacement along the chains, particles.

    Of the particles the turns of segments and the distances are shown as distributions.
    """
    some = list(seen.distances)[:MOST_DISTANCES]
    lower = bool(len(seen.named)) + len(some)
    heights = [4.0, 3.0, 3.0][: 2 + bool(lower)]
    figure = new_figure(10.4, sum(heights))
    figure.suptitle("\n".join([title, *(fill(part, 160) for part in verdict.split("; "))]), fontsize=9)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_traces(parts[0], seen)
    if len(seen.named):
        strip, along = parts[1].subplots(2, 1, sharex=True, height_ratios=[1, 3.2])
        draw_segments(strip, seen)
        draw_path(along, seen)
    else:
        draw_path(parts[1].subplots(), seen)
    if lower:
        panels = parts[2].subplots(1, lower, squeeze=False)[0]
        if len(seen.named):
            draw_turns(panels[0], seen)
        for axes, name in zip(panels[lower - len(some) :], some, strict=True):
            draw_distance(axes, name, seen.distances[name], seen.state_distances[name])
    save_figure(figure, path, overwrite=False)


def _draw_traces(part: SubFigure, seen: Pictured) -> None:
    """The states from two sides, across which most of the motion goes."""
    spread = ((seen.states - seen.states.mean(0)) ** 2).sum((0, 1))
    hidden = sorted(sorted(range(3), key=lambda axis: (float(spread[axis]), -axis))[:2])
    for axes, depth in zip(part.subplots(1, 2), hidden, strict=True):
        draw_trace(axes, seen, depth=depth)
