"""Pictures of a recovered motion: latents against the truth, and the maps along them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.data.atomic import atomic_path
from trimorph.evaluation.recovery import component_scores, latent_correlation, neighbour_correlation

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure


def draw_recovery(
    path: Path,
    *,
    z: Float[ndarray, "n k"],
    coordinate: Float[ndarray, " n"],
    quantity: str,
    maps: Float[ndarray, "m d d d"],
    true_maps: Float[ndarray, "m d d d"],
    names: list[str],
    pixel_size: float,
    overwrite: bool = False,
) -> None:
    """Draw latents coloured by the true coordinate, latent against coordinate, and m maps over the true ones.

    Maps are shown as projections along their y axis, each row on one grey scale.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 1.05])[:, 0]
    scatter, trend = top.subplots(1, 2)
    components = component_scores(z)
    columns = [np.abs(np.corrcoef(column, coordinate)[0, 1]) for column in components.T[:2]]
    best = int(np.argmax(columns))
    second = components[:, 1] if components.shape[1] > 1 else np.zeros(len(z))
    points = scatter.scatter(components[:, 0], second, c=coordinate, s=4, cmap="viridis", linewidths=0)
    scatter.set(xlabel="latent PC 1", ylabel="latent PC 2", title="Latents, coloured by the truth")
    top.colorbar(points, ax=scatter, label=quantity)
    trend.scatter(coordinate, components[:, best], s=4, c="0.25", linewidths=0, alpha=0.6)
    trend.set(
        xlabel=f"true {quantity}",
        ylabel=f"latent PC {best + 1}",
        title=f"|Spearman| = {latent_correlation(z, coordinate):.3f}, "
        f"by neighbours {neighbour_correlation(z, coordinate):.3f}",
    )
    _draw_rows(bottom, {"decoded": maps, "true": true_maps}, names, pixel_size)
    with atomic_path(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=130, format="png")


def _draw_rows(
    figure: SubFigure, rows: dict[str, Float[ndarray, "m d d d"]], names: list[str], pixel_size: float
) -> None:
    axes = figure.subplots(len(rows), len(names), squeeze=False)
    for number, (label, maps) in enumerate(rows.items()):
        line = axes[number]
        views = maps.sum(axis=2)
        side = maps.shape[-1] * pixel_size / 2
        low, high = np.percentile(views, [1, 99.8])
        for axis, view, name in zip(line, views, names, strict=True):
            axis.imshow(
                view, cmap="gray", vmin=low, vmax=high, origin="lower", extent=(-side, side, -side, side)
            )
            axis.set(xticks=[], yticks=[])
            if number == 0:
                axis.set_title(name, fontsize=9)
        line[0].set_ylabel(label)
    axes[-1][0].set_xlabel(f"{2 * axes[-1][0].get_xlim()[1]:.0f} Å", fontsize=8)
