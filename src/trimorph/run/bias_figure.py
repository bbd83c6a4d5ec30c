"""A picture of the bias check: both changes of density, what of them is shared, and what gets sharp."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.data.residues import Residues
from trimorph.reconstruction.figure import new_figure, resolution_axis, save_figure
from trimorph.run.along import Along
from trimorph.run.bias_compare import Compared
from trimorph.run.bias_verdict import LEAST_MOTION, SegmentVerdict
from trimorph.run.panels import BLUE, GREY, frame, scale_bar, show_change
from trimorph.run.structures_chimerax import segment_colours
from trimorph.run.structures_names import NamedSegments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RED = "#c44e3b"
MOST_SEGMENTS = 6
"""Segments whose curves are drawn: those that move most."""


def draw_bias(
    path: Path,
    compared: Compared,
    verdicts: tuple[SegmentVerdict, ...],
    along: Along,
    named: NamedSegments,
    residues: Residues,
) -> None:
    """Write a PNG: changes of structure and density, correlations along the chain, FSC with and without."""
    figure = new_figure(11.0, 7.4)
    ranked = sorted(verdicts, key=lambda one: -one.motion)
    words = [f"{one.name}: {one.word}" for one in ranked if one.motion >= LEAST_MOTION]
    figure.suptitle("; ".join(words[:4]) or "no segment moves", fontsize=10)
    parts = figure.subfigures(2, 1, height_ratios=[1.0, 1.05], squeeze=False)
    upper, lower = parts[:, 0]
    one, two, curves = upper.subplots(1, 3, width_ratios=[1, 1, 1.25])
    _draw_changes((one, two), compared)
    _draw_curves(curves, along, verdicts)
    correlation, share = lower.subplots(2, 1, sharex=True)
    breaks = np.flatnonzero(np.diff(residues.chains)) + 1
    _draw_correlations(correlation, compared, breaks)
    _draw_shares(share, compared, named, breaks)
    save_figure(figure, path, overwrite=False)


def _draw_changes(panels: tuple[Axes, Axes], compared: Compared) -> None:
    """Projections of both changes, from where most of the structure's is seen."""
    decoded, structure = compared.changes
    axis = int(np.argmax([np.square(structure.sum(axis)).sum() for axis in range(3)]))
    cube = frame(compared.unmoved, structure)
    views = [change[cube].sum(axis) for change in (structure, decoded)]
    most = 0.9 * float(max(np.abs(view).max() for view in views))
    for axes, view, name in zip(panels, views, ("of the structure", "of density without it"), strict=True):
        show_change(axes, view, most=max(most, 1e-12))
        axes.set_title(f"change {name}", fontsize=9)
    scale_bar(panels[0], box=len(views[0]), pixel_size=compared.pixel_size, colour="black")


def _draw_curves(axes: Axes, along: Along, verdicts: tuple[SegmentVerdict, ...]) -> None:
    """FSC of the half maps around the segments that move most, without and along the motion."""
    order = np.argsort([-verdict.motion for verdict in verdicts], kind="stable")[:MOST_SEGMENTS]
    colours = segment_colours(len(verdicts))
    for number in sorted(order):
        before, after = along.before[number], along.after[number]
        axes.plot(before.frequency, before.best, color=colours[number], linewidth=1.0, linestyle=":")
        axes.plot(
            after.frequency, after.best, color=colours[number], linewidth=1.8, label=verdicts[number].name
        )
    last = float(along.along.curves.frequency[-1])
    axes.axhline(0.143, color="grey", linewidth=0.7, linestyle=":")
    axes.set(xlim=(0, last), ylim=(-0.05, 1.05))
    axes.set(xlabel="spatial frequency (1/Å)", ylabel="FSC of half maps")
    resolution_axis(axes, last)
    axes.legend(frameon=False, fontsize=8, title="full: along the motion\ndotted: ordinary", title_fontsize=8)


def _draw_correlations(axes: Axes, compared: Compared, breaks: ndarray) -> None:
    """Local correlations of the density with the structure at both ends."""
    moved, unmoved = compared.correlations[[0, -1]].mean(0)
    for values, colour, name in ((unmoved, GREY, "unmoved structure"), (moved, BLUE, "moved structure")):
        axes.plot(*_broken(values, breaks), color=colour, linewidth=1.6, label=name)
    axes.set(ylim=(min(0.0, float(unmoved.min()), float(moved.min())), 1.02))
    axes.set(ylabel="local correlation")
    axes.set_title("density at both ends, compared with the structure", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="lower right", ncols=2)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_shares(axes: Axes, compared: Compared, named: NamedSegments, breaks: ndarray) -> None:
    """Share of the change that density makes, where anything moves, above the segments."""
    moves = compared.motion >= LEAST_MOTION
    shares = np.where(moves, compared.shares, np.nan)
    axes.axhline(1.0, color=BLUE, linewidth=0.8, linestyle="--")
    axes.axhline(0.0, color=RED, linewidth=0.8, linestyle="--")
    axes.plot(*_broken(shares.clip(-0.5, 1.6), breaks), color="black", linewidth=1.4)
    for number, colour in zip(named.segments, segment_colours(len(named)), strict=True):
        rows = np.array(sorted(number.residues))
        axes.scatter(rows, np.full(len(rows), -0.62), c=colour, s=7, marker="s", linewidths=0)
    axes.text(
        1.005, 1.0, "follows", transform=axes.get_yaxis_transform(), color=BLUE, va="center", fontsize=8
    )
    axes.text(1.005, 0.0, "stays", transform=axes.get_yaxis_transform(), color=RED, va="center", fontsize=8)
    axes.set(ylim=(-0.7, 1.7), xlim=(-1, len(shares)))
    axes.set(xlabel="residue, in the order of the file", ylabel="share followed")
    axes.set_title("change from start to end that the density makes; below: segments", fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _broken(
    values: Float[ndarray, " g"], breaks: ndarray
) -> tuple[Float[ndarray, " h"], Float[ndarray, " h"]]:
    """Places and values of residues, with a gap between chains."""
    place = np.insert(np.arange(len(values), dtype=float), breaks, np.nan)
    return place, np.insert(np.asarray(values, dtype=float), breaks, np.nan)
