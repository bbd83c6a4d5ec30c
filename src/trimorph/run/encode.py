"""Latents of particles that a run was not trained on, from its encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from trimorph.core.errors import InputError
from trimorph.data.open import ParticleInput, open_particles
from trimorph.methods.latent_settings import LatentSettings
from trimorph.run.run import Run
from trimorph.training.latents import Latents, encode_all
from trimorph.training.processes import Processes


def encode(
    run: Path | str,
    particles: Path | str | None = None,
    *,
    half: Literal[1, 2] | None = None,
    epoch: int | None = None,
) -> Latents:
    """Posteriors of other particles by the model of a run; ``index`` counts those that are taken.

    ``particles`` is a file of others, with all that is in it; without, it is the run's own file, and ``half``
    names the half set, as for a model of the other half. Images are read and prepared as the run's were, and
    seen to the resolution of the last stage of training.

    Errors: InputError where neither is given, for images of another box or pixel size, and for a run whose
    latents are a table; those of reading particles.
    """
    opened = Run.open(run)
    settings = opened.recipe.settings
    if isinstance(settings, LatentSettings) and settings.encoder in ("none", "given"):
        raise InputError(
            f"{opened.path}: found latents that are a table, a row a particle; wanted an encoder, which "
            "alone can tell of other particles. Train with --encoder object."
        )
    method = opened.method(epoch)
    images, disk = open_particles(_input(opened, particles, half)), method.disk
    if images.box != disk.box or abs(images.pixel_size / disk.pixel_size - 1) > 1e-3:
        raise InputError(
            f"{images.table.source}: found {images.box} pixels of {images.pixel_size:.4g} Å; wanted "
            f"{disk.box} of {disk.pixel_size:.4g} Å, as the run {opened.path} was trained on. Name images "
            "of that size, or train with --box and --pixel-size, which others are then brought to as well."
        )
    seen = disk.limit(resolution=method.stages[-1].resolution)
    found = encode_all(method, images, disk=seen, processes=Processes(torch.device("cpu")))
    assert found is not None  # as there is one process
    return found


def _input(run: Run, particles: Path | str | None, half: Literal[1, 2] | None) -> ParticleInput:
    data = run.recipe.data
    if particles is not None:
        return replace(
            data,
            particles=Path(particles),
            stack=None,
            poses=None,
            ctf=None,
            passthrough=(),
            optics_group=None,
            index=None,
            subset=None,
            first=None,
            half=half,
        )
    if half is None:
        raise InputError(
            f"{run.path}: found no particles to encode; wanted a file of others, or a half set of the run's. "
            "Pass --of FILE, or --half 1 or 2."
        )
    return replace(data, half=half)
