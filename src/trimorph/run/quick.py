"""quick: particles to linear modes, latents and a picture, in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from trimorph.data.open import ParticleInput
from trimorph.methods.linear import LinearSettings
from trimorph.run.mean_report import read_mean_fsc
from trimorph.run.modes import Modes, read_modes, write_modes
from trimorph.run.quick_figure import draw_quick
from trimorph.run.quick_places import places_along
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.train import resume, train
from trimorph.training.observer import Observer
from trimorph.training.settings import TrainingSettings

FIGURE = "quick.png"
"""Name of the picture in the run's folder."""


@dataclass(frozen=True, eq=False)
class Quick:
    """What :func:`quick` made: the run, its modes, the folder with their maps, and the picture."""

    run: Run
    modes: Modes
    folder: Path
    figure: Path


def quick(
    particles: ParticleInput | Path | str,
    output: Path | str | None = None,
    *,
    modes: int | Literal["auto"] = "auto",
    resolution: float | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int = 0,
    seed: int = 0,
    observer: Observer | None = None,
) -> Quick:
    """Fit the method `linear` and leave run, maps along its modes and quick.png in a folder.

    ``output`` is by default NAME_quick for NAME.star. A folder where the same was begun before is gone on
    with. ``resolution`` in Å is the finest of the modes.

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
    )
    _refuse_finished(path)
    if (path / "recipe.toml").is_file():
        run = resume(path, recipe=recipe.resolved(), observer=observer)
    else:
        run = train(recipe, path, observer=observer)
    found = read_modes(run)
    folder = path / "analysis" / "modes"
    if not folder.exists():
        write_modes(run.path)
    figure = path / FIGURE
    _draw(figure, run, found)
    return Quick(run, found, folder, figure)


def quick_folder(data: ParticleInput, output: Path | str | None) -> Path:
    """Where :func:`quick` writes: the folder that is given, or NAME_quick for NAME.star."""
    return Path(output if output is not None else f"{data.particles.stem}_quick").absolute()


def _refuse_finished(path: Path) -> None:
    if (path / FIGURE).exists():
        raise FileExistsError(
            f"{path}: found {FIGURE} there already; wanted a new folder, and nothing was changed. Choose "
            "another with -o."
        )


def _draw(path: Path, run: Run, modes: Modes) -> None:
    z = run.latents().mean / modes.deviation
    places = places_along(z)
    latents = np.array([*(place.z for place in places), np.zeros(len(modes))]) * modes.deviation
    maps = run.volume(latents)
    draw_quick(
        path,
        modes,
        z=z,
        places=places,
        maps=maps[:-1],
        mean=maps[-1],
        pixel_size=run.method().disk.pixel_size,
        fsc=read_mean_fsc(run.path),
    )
