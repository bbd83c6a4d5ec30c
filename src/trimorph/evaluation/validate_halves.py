"""Two half sets trained apart by a run's own recipe."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.data.open import open_table
from trimorph.methods.latent_settings import LatentSettings
from trimorph.run.bias_density import trained
from trimorph.run.run import Run
from trimorph.training.checkpoint import checkpoints
from trimorph.training.observer import Observer


def refuse_recipe(run: Run) -> None:
    """Raise InputError where a recipe cannot be trained on half of the particles."""
    if run.recipe.start.latents_from is not None:
        raise InputError(
            f"{run.path}: found latents that were given to the run; wanted a run that finds its own, as half "
            "sets have to. Pass --no-retrain, or validate the run that the latents are from."
        )


def has_encoder(run: Run) -> bool:
    """Whether the model can tell latents of particles that it was not trained on."""
    settings = run.recipe.settings
    return not (isinstance(settings, LatentSettings) and settings.encoder in ("none", "given"))


Halves = tuple[tuple[Run, ...], tuple[Run, ...]]
"""Models of half set 1, and of 2, a seed each."""


def train_halves(
    run: Run, half: Int[ndarray, " n"], folder: Path, *, seeds: int = 1, observer: Observer | None = None
) -> Halves:
    """The run's recipe on each half set, with so many seeds; runs that are there are used or gone on with.

    ``half`` is 0 or 1 for each of the particles in use.
    """
    table = open_table(run.recipe.data)
    found: list[tuple[Run, ...]] = []
    for side in (0, 1):
        rows = np.unique(table.row[half == side])
        name = f"half_{side + 1}_{hashlib.sha256(rows.tobytes()).hexdigest()[:8]}"
        index = folder / f"{name}.txt"
        if not index.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(index) as temporary:
                temporary.write_text("\n".join(map(str, rows)) + "\n", encoding="utf-8")
        data = replace(run.recipe.data, index=index, half=None, subset=None, first=None)
        models = []
        for number in range(seeds):
            seed = run.recipe.training.seed + 1 + side + 2 * number
            recipe = replace(run.recipe, data=data, training=replace(run.recipe.training, seed=seed))
            target = folder / (f"{name}_seed{number + 1}" if number else name)
            if target.is_dir() and not checkpoints(target / "checkpoints"):
                shutil.rmtree(target)  # stopped before anything was learned
            models.append(trained(recipe.resolved(), target, observer=observer))
        found.append(tuple(models))
    return found[0], found[1]
