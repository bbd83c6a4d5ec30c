"""Picture of a structure in a map, along three axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.reconstruction.figure import new_figure, round_length, save_figure
from trimorph.run.fit_map import FitMap


def draw_fit(
    path: Path,
    density: FitMap,
    states: dict[str, NDArray[np.float64]],
    chain: NDArray[Any],
    *,
    overwrite: bool = False,
) -> None:
    """Write a PNG: the map's projections along z, y and x in grey, and the atoms, a colour a chain.

    ``states`` are positions (n, 3) of the atoms, each a row of the picture under its name.
    """
    from matplotlib import colormaps

    figure = new_figure(8.4, 3.2 * len(states))
    names, number = np.unique(chain, return_inverse=True)
    colours = colormaps["tab10"](number % 10) if len(names) > 1 else np.array([[0.11, 0.31, 0.61, 1.0]])
    colours = np.broadcast_to(colours, (len(chain), 4))
    for row, (name, position) in enumerate(states.items()):
        for column in range(3):
            axes = figure.add_subplot(len(states), 3, 3 * row + column + 1)
            _draw_side(axes, density, position - density.corner, colours, column=column)
            axes.set_title(f"{name}, along {'zyx'[column]}".removeprefix(", "), fontsize=9)
            if column == 0:
                _draw_length(axes, density.sides)
    save_figure(figure, path, overwrite)


def _draw_side(
    axes: Any,
    density: FitMap,
    place: NDArray[np.float64],
    colours: NDArray[np.float64],
    *,
    column: int,
) -> None:
    along, across, up = ((2, 0, 1), (1, 0, 2), (0, 1, 2))[column]
    sides, half = density.sides, density.pixel_size / 2
    picture = density.values.sum(axis=2 - along)
    axes.imshow(
        picture,
        cmap="gray_r",
        origin="lower",
        extent=(-half, sides[across] - half, -half, sides[up] - half),
        vmin=float(np.median(picture)),
    )
    shown = np.argsort(place[:, along])
    size = max(1.5, 6000 / len(place))
    axes.scatter(place[shown, across], place[shown, up], s=size, c=colours[shown], alpha=0.7, linewidths=0)
    axes.set(xticks=[], yticks=[], xlim=(-half, sides[across]), ylim=(-half, sides[up]))
    axes.set_xlabel("xyz"[across], fontsize=8, labelpad=1)
    axes.set_ylabel("xyz"[up], fontsize=8, labelpad=1)


def _draw_length(axes: Any, sides: NDArray[np.float64]) -> None:
    length = round_length(sides[0] / 4)
    begin = 0.06 * sides[0]
    axes.plot([begin, begin + length], [0.07 * sides[1]] * 2, color="black", linewidth=3)
    axes.text(begin, 0.1 * sides[1], f"{length:g} Å", fontsize=8)
