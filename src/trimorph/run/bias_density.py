"""The density that never sees the structure: the method `field` on the latents of a run."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from pathlib import Path

from trimorph.core.errors import InputError
from trimorph.methods.field import Field, FieldSettings
from trimorph.run.focus import FocusSettings
from trimorph.run.given_latents import with_given_latents
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.start import StartSettings
from trimorph.run.train import resume, train
from trimorph.training.checkpoint import checkpoints
from trimorph.training.observer import Observer

STEPS, FEWEST = 400, 3
"""Steps of the density decoder, in whole epochs and no fewer than this many."""


def density_recipe(run: Run, *, epochs: int | None = None, epoch: int | None = None) -> Recipe:
    """Train a field on the run's particles and latents; no encoder, no structure, no mask.

    ``epoch`` is that of the run's latents, and ``epochs`` of the field as many as make STEPS by default.
    """
    latents = run.latents_file(epoch)
    batch = Field.BATCH_SIZE
    enough = max(FEWEST, ceil(STEPS * batch / len(run.latents(epoch))))
    if epochs is not None and epochs < 1:
        raise InputError(f"Found {epochs} epochs; wanted 1 or more.")
    recipe = Recipe(
        method="field",
        data=run.recipe.data,
        settings=FieldSettings(epochs=epochs or enough, width=128, layers=2, learning_rate=3e-3),
        training=replace(run.recipe.training, batch_size=batch, checkpoint_every=epochs or enough),
        focus=FocusSettings(),
        start=StartSettings(latents_from=latents),
    )
    return with_given_latents(recipe.resolved())


def trained(recipe: Recipe, path: Path, *, observer: Observer | None = None) -> Run:
    """The recipe's run at a path: trained, gone on with where it was stopped, or taken as it is where done.

    Errors: InputError where another run lies there.
    """
    if (path / "recipe.toml").is_file():
        if checkpoints(path / "checkpoints"):
            return resume(path, recipe=recipe, observer=observer)
        raise InputError(
            f"{path}: found a run that was stopped before its first checkpoint; wanted none, or one to go on "
            "with. Remove this folder."
        )
    return train(recipe, path, observer=observer)
