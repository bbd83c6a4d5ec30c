"""A picture of observability: which views show the motion, and whether the encoder knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.reconstruction.figure import new_figure, save_figure
from trimorph.run.panels import BLUE, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trimorph.run.observability import Observability

MOST_DRAWN = 20_000
"""Particles in a scatter; of more, some evenly spread."""


def draw_observability(
    path: Path, found: Observability, *, threshold: float, motion: Float[ndarray, " 3"] | None
) -> None:
    """Write a PNG: the share by view direction, its histogram, and the encoder's error against the view's.

    ``motion`` is the direction in space along which most density moves, if there is one.
    """
    figure = new_figure(11.0, 4.0)
    many = int(found.unobservable.sum())
    figure.suptitle(
        f"{many} of {len(found)} views ({100 * many / len(found):.1f} %) cannot show the first principal "
        "component of the latents",
        fontsize=10,
    )
    sphere, histogram, errors = figure.subplots(1, 3, width_ratios=[1.1, 1.0, 1.0])
    _draw_views(sphere, found, motion)
    histogram.hist(
        [found.share[found.unobservable], found.share[~found.unobservable]],
        bins=np.linspace(0, 1, 31).tolist(),
        stacked=True,
        color=[GREY, BLUE],
        label=["unobservable", "observable"],
    )
    histogram.axvline(threshold, color="black", linewidth=0.8, linestyle=":")
    histogram.set(xlabel="share of variance that the image removes", ylabel="particles")
    histogram.set_yscale("log")
    histogram.legend(frameon=False, fontsize=8)
    _draw_errors(errors, found)
    for axes in (histogram, errors):
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path, overwrite=False)


def hemisphere(view: Float[ndarray, "n 3"]) -> Float[ndarray, "n 2"]:
    """Directions on a disc of radius 1, equal areas kept; opposite views, which show the same, coincide.

    >>> hemisphere(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])).round(3).tolist()
    [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    """
    upper = np.where(view[:, 2:] < 0, -view, view)
    return upper[:, :2] / np.sqrt(1 + upper[:, 2:]) + 0.0


def _draw_views(axes: Axes, found: Observability, motion: Float[ndarray, " 3"] | None) -> None:
    some = _some(found)
    place = hemisphere(found.view[some])
    size = float(np.clip(4000 / len(some), 1.5, 30))
    remains = np.sqrt(1 - found.share[some])
    points = axes.scatter(
        place[:, 0], place[:, 1], c=remains, s=size, cmap="viridis_r", vmin=0.0, vmax=1.0, linewidths=0
    )
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(turn), np.sin(turn), color="black", linewidth=0.6)
    if motion is not None:
        spot = hemisphere(motion[None])[0]
        axes.plot(*spot, "x", color="#c44e3b", markersize=9, markeredgewidth=2, label="along the motion")
        axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(-0.05, -0.08))
    axes.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), aspect="equal", xticks=[], yticks=[])
    axes.set_frame_on(False)
    axes.set_title("views of the object: along z in the middle", fontsize=9)
    axes.set_xlabel("x", fontsize=8, labelpad=1)
    axes.set_ylabel("y", fontsize=8, labelpad=1)
    axes.figure.colorbar(points, ax=axes, label="error of the latent / its spread", shrink=0.75, pad=0.02)


def _draw_errors(axes: Axes, found: Observability) -> None:
    """What the encoder says of its error against the least that the view allows with the prior."""
    some = _some(found)
    least = np.sqrt(found.prior * (1 - found.share[some]))
    axes.scatter(least, found.encoder_sd[some], s=4, color=BLUE, alpha=0.5, linewidths=0)
    most = 1.05 * float(max(least.max(), found.encoder_sd[some].max(), 1e-9))
    axes.plot([0, most], [0, most], color="black", linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, most), ylim=(0, most))
    axes.set(xlabel="error of the latent: image and prior", ylabel="error that the encoder states")


def _some(found: Observability) -> ndarray:
    return np.unique(np.linspace(0, len(found) - 1, MOST_DRAWN).astype(np.int64))
