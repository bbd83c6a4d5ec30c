"""Pictures of a reconstruction: its FSC curves, its projections and slices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimorph.data.atomic import atomic_path
from trimorph.reconstruction.fsc import ShellCorrelation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"corrected": "#1b4f9c", "masked": "#7fb0e6", "unmasked": "#3c8d4a", "randomised": "#c44e3b"}


def draw_fsc(path: Path, curves: ShellCorrelation, *, title: str = "", overwrite: bool = False) -> None:
    """Write a PNG of the FSC curves with their crossings of 0.5 and 0.143."""
    figure = new_figure(6.4, 4.2)
    axes = figure.add_subplot()
    named = {name: getattr(curves, name) for name in COLOURS}
    for name, curve in named.items():
        if curve is not None:
            thick = curve is curves.best
            axes.plot(
                curves.frequency,
                curve,
                color=COLOURS[name],
                linewidth=2.0 if thick else 1.2,
                linestyle="--" if name == "randomised" else "-",
                label=name,
                zorder=3 if thick else 2,
            )
    last = float(curves.frequency[-1])
    for threshold in (0.5, 0.143):
        _mark(axes, threshold, curves.resolution(threshold), last)
    axes.axhline(0.0, color="black", linewidth=0.6)
    lowest = min(float(curve[1:].min()) for curve in named.values() if curve is not None)
    axes.set(xlim=(0, last), ylim=(min(-0.05, lowest - 0.03), 1.05))
    axes.set(xlabel="spatial frequency (1/Å)", ylabel="Fourier shell correlation", title=title)
    resolution_axis(axes, last)
    axes.legend(frameon=False, loc="upper right" if curves.best[-1] < 0.5 else "lower left")
    save_figure(figure, path, overwrite)


def draw_map(path: Path, density: NDArray[np.float32], *, pixel_size: float, overwrite: bool = False) -> None:
    """Write a PNG of the projections along z, y and x above the central slices, with a scale bar."""
    figure = new_figure(7.2, 5.2)
    middle, box = len(density) // 2, len(density)
    side = box * pixel_size
    length = round_length(side / 4)
    for column, (axis, across, up) in enumerate((("z", "x", "y"), ("y", "x", "z"), ("x", "y", "z"))):
        for row, kind in enumerate(("projection along", "slice across")):
            picture = density.sum(axis=column) if row == 0 else np.take(density, middle, axis=column)
            axes = figure.add_subplot(2, 3, 1 + column + 3 * row)
            axes.imshow(picture, cmap="gray", origin="lower", extent=(0, side, 0, side))
            axes.set_title(f"{kind} {axis}", fontsize=9)
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(across, fontsize=8, labelpad=1)
            axes.set_ylabel(up, fontsize=8, labelpad=1)
            if column == row == 0:
                axes.plot([0.06 * side, 0.06 * side + length], [0.07 * side] * 2, color="white", linewidth=3)
                axes.text(0.06 * side, 0.1 * side, f"{length:g} Å", color="white", fontsize=8)
    save_figure(figure, path, overwrite)


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches that belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _mark(axes: Axes, threshold: float, resolution: float, last: float) -> None:
    """A line at the threshold; the resolution is written where the quoted curve crosses it."""
    axes.axhline(threshold, color="grey", linewidth=0.7, linestyle=":")
    if np.isfinite(resolution) and 1 / resolution < last * 0.999:
        axes.plot(1 / resolution, threshold, "o", color="black", markersize=4, zorder=4)
        right = 1 / resolution > 0.8 * last
        axes.annotate(
            f"{resolution:.3g} Å",
            (1 / resolution, threshold),
            xytext=(-6 if right else 6, 4),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=9,
        )


def resolution_axis(axes: Axes, last: float) -> None:
    """Ticks in Å above the curve."""
    shares = np.linspace(0.2, 1.0, 5) * last
    top = axes.secondary_xaxis("top")
    top.set_xticks(shares, [f"{1 / share:.3g}" for share in shares])
    top.set_xlabel("resolution (Å)", fontsize=9)
    top.tick_params(labelsize=8)


def round_length(length: float) -> float:
    """The nearest of 1, 2, 5 times a power of ten below.

    >>> round_length(64.0)
    50.0
    """
    power = 10 ** np.floor(np.log10(length))
    return float(max(step * power for step in (1, 2, 5) if step * power <= length))


def save_figure(figure: Figure, path: Path, overwrite: bool) -> None:
    """Write a PNG."""
    with atomic_path(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=150)
