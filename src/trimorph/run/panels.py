"""Panels that several pictures of a run share: views of a density, and of a change of density."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.reconstruction.figure import round_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHANGE = "RdBu"
"""Colours of a change of density: red is lost, blue is gained."""

BLUE, GREY = "#1b4f9c", "#b8b8b8"


def sentences(text: str, width: int) -> str:
    r"""Text with a line a sentence, and longer ones broken.

    >>> sentences("one is real. Half sets agree to 0.98.", 40)
    'One is real.\nHalf sets agree to 0.98.'
    """
    lines = text.replace(". ", ".\n").splitlines()
    return "\n".join(fill(line[:1].upper() + line[1:], width) for line in lines)


def show_density(axes: Axes, view: Float[ndarray, "d d"], *, low: float, high: float) -> None:
    """A view of a density in grey, without ticks."""
    axes.imshow(view, cmap="gray", vmin=low, vmax=high, origin="lower", interpolation="bilinear")
    axes.set(xticks=[], yticks=[])


def show_change(axes: Axes, view: Float[ndarray, "d d"], *, most: float) -> None:
    """A view of a change of density in red and blue, white where nothing changes."""
    axes.imshow(view, cmap=CHANGE, vmin=-most, vmax=most, origin="lower", interpolation="bilinear")
    axes.set(xticks=[], yticks=[])


def scale_bar(axes: Axes, *, box: int, pixel_size: float, colour: str) -> None:
    """A bar of a round length in the lower left corner of a view whose side is ``box`` pixels."""
    length = round_length(box * pixel_size / 3)
    start, height = 0.06 * box, 0.06 * box
    axes.plot([start, start + length / pixel_size], [height] * 2, color=colour, linewidth=2.5)
    axes.text(start, height + 0.03 * box, f"{length:g} Å", color=colour, fontsize=7.5)


def frame(mean: Float[ndarray, "d d d"], change: Float[ndarray, "d d d"]) -> tuple[slice, slice, slice]:
    """The cube, in slices of z, y and x, around all that is dense or changes."""
    box = mean.shape[-1]
    seen = (mean > 0.1 * np.quantile(mean, 0.9999)) | (np.abs(change) > 0.1 * np.abs(change).max())
    found = np.argwhere(seen)
    low, high = found.min(0), found.max(0) + 1
    side = min(int((high - low).max()) + 2 * max(box // 20, 1), box)
    start = np.clip((low + high - side) // 2, 0, box - side)
    z, y, x = (slice(int(first), int(first) + side) for first in start)
    return z, y, x
