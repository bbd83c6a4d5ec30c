"""quick: particles to linear modes, latents and a picture, in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.data.open import ParticleInput
from trimorph.methods.linear import LinearSettings
from trimorph.run.chart import Chart, read_chart
from trimorph.run.export_modes import write_modes
from trimorph.run.focus import FocusSettings
from trimorph.run.mean_report import read_mean_fsc
from trimorph.run.modes import Modes, read_modes
from trimorph.run.quick_figure import draw_quick
from trimorph.run.quick_places import places_along, predicted_share
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.train import resume, train
from trimorph.training.observer import Observer
from trimorph.training.settings import TrainingSettings

FIGURE = "quick.png"
"""Name of the picture in the run's folder."""

MORE = 0.01
"""Share of the latents' variance that a chart's coordinate must predict beyond what the first mode does."""


@dataclass(frozen=True, eq=False)
class Quick:
    """What :func:`quick` made: the run, its modes and chart, the folder with their maps, and the picture."""

    run: Run
    modes: Modes
    chart: Chart
    folder: Path
    figure: Path


def quick(
    particles: ParticleInput | Path | str,
    output: Path | str | None = None,
    *,
    modes: int | Literal["auto"] = "auto",
    resolution: float | None = None,
    mask: Path | str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int = 0,
    seed: int = 0,
    observer: Observer | None = None,
) -> Quick:
    """Fit the method `linear` and leave run, maps along its modes and quick.png in a folder.

    ``output`` is by default NAME_quick for NAME.star. A folder where the same was begun before is gone on
    with. ``resolution`` in Å is the finest of the modes, ``mask`` an MRC map of where they may vary.

    Errors: FileExistsError where a folder or picture is there already; those of
    :func:`trimorph.run.train.train`.
    """
    data = particles if isinstance(particles, ParticleInput) else ParticleInput(Path(particles))
    path = quick_folder(data, output)
    recipe = Recipe(
        method="linear",
        data=data,
        settings=LinearSettings(modes=modes, resolution=resolution),
        training=TrainingSettings(device=device, threads=threads, seed=seed),
        focus=FocusSettings(mask=None if mask is None else Path(mask)),
    )
    _refuse_finished(path)
    if (path / "recipe.toml").is_file():
        run = resume(path, recipe=recipe.resolved(), observer=observer)
    else:
        run = train(recipe, path, observer=observer)
    found, chart = read_modes(run), read_chart(run)
    folder = path / "analysis" / "modes"
    if not folder.exists():
        write_modes(run.path, chart=chart)
    figure = path / FIGURE
    _draw(figure, run, found, chart)
    return Quick(run, found, chart, folder, figure)


def quick_folder(data: ParticleInput, output: Path | str | None) -> Path:
    """Where :func:`quick` writes: the folder that is given, or NAME_quick for NAME.star."""
    return Path(output if output is not None else f"{data.particles.stem}_quick").absolute()


def _refuse_finished(path: Path) -> None:
    if (path / FIGURE).exists():
        raise FileExistsError(
            f"{path}: found {FIGURE} there already; wanted a new folder, and nothing was changed. Choose "
            "another with -o."
        )


def _draw(path: Path, run: Run, modes: Modes, chart: Chart) -> None:
    latents = run.latents().mean
    z, useful = latents / modes.deviation, _tells_more(chart, latents)
    places = places_along(chart.coordinate if useful else z[:, :1], z)
    shown = np.array([*(place.z for place in places), np.zeros(len(modes))]) * modes.deviation
    maps = run.volume(shown)
    draw_quick(
        path,
        modes,
        z=z,
        chart=chart if useful else None,
        places=places,
        maps=maps[:-1],
        mean=maps[-1],
        pixel_size=run.method().disk.pixel_size,
        fsc=read_mean_fsc(run.path),
    )


def _tells_more(chart: Chart, z: Float[ndarray, "n k"]) -> bool:
    """Whether the chart has several coordinates, or its only one tells more than the first mode."""
    if chart.count != 1:
        return chart.count > 1
    along = chart.coordinate[:, 0]
    return predicted_share(along, z) > predicted_share(z[:, 0], z) + MORE
