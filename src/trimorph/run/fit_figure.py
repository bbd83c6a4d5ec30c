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
    position: NDArray[np.float64],
    chain: NDArray[Any],
    *,
    overwrite: bool = False,
) -> None:
    """Write a PNG: the map's projections along z, y and x in grey, and the atoms, a colour a chain."""
    from matplotlib import colormaps

    figure = new_figure(8.4, 3.2)
    names, number = np.unique(chain, return_inverse=True)
    colours = colormaps["tab10"](number % 10) if len(names) > 1 else "#1b4f9c"
    place = position - density.corner
    sides = density.sides
    for column, (along, across, up) in enumerate(((2, 0, 1), (1, 0, 2), (0, 1, 2))):
        axes = figure.add_subplot(1, 3, column + 1)
        picture = density.values.sum(axis=2 - along)
        half = density.pixel_size / 2
        axes.imshow(
            picture,
            cmap="gray_r",
            origin="lower",
            extent=(-half, sides[across] - half, -half, sides[up] - half),
            vmin=float(np.median(picture)),
        )
        shown = np.argsort(place[:, along])
        axes.scatter(
            place[shown, across],
            place[shown, up],
            s=max(1.5, 6000 / len(place)),
            c=colours if isinstance(colours, str) else colours[shown],
            alpha=0.7,
            linewidths=0,
        )
        axes.set_title(f"along {'xyz'[along]}", fontsize=9)
        axes.set(xticks=[], yticks=[], xlim=(-half, sides[across]), ylim=(-half, sides[up]))
        axes.set_xlabel("xyz"[across], fontsize=8, labelpad=1)
        axes.set_ylabel("xyz"[up], fontsize=8, labelpad=1)
        if column == 0:
            length = round_length(sides[0] / 4)
            begin = 0.06 * sides[0]
            axes.plot([begin, begin + length], [0.07 * sides[1]] * 2, color="black", linewidth=3)
            axes.text(begin, 0.1 * sides[1], f"{length:g} Å", fontsize=8)
    save_figure(figure, path, overwrite)
