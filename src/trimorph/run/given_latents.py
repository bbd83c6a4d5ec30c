"""Latents that are known, of another run or program, for a model that takes them as given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.cryodrgn import read_latents
from trimorph.data.npy import read_npy
from trimorph.data.open import open_table
from trimorph.data.particles import ParticleStack
from trimorph.data.tables import ParticleTable
from trimorph.methods.latent_settings import LatentSettings
from trimorph.methods.registry import get_method
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run

FILES = ".npz, .npy or cryoDRGN's .pkl"

SPREAD = (0.05, 20.0)
"""Standard deviations of latents that networks learn well from; others are remarked on."""


def with_given_latents(recipe: Recipe) -> Recipe:
    """The recipe with the encoder `given`, and as many latent components as the latents that it names have.

    A run's folder becomes the file of its latest latents. A recipe that names none is as it was.
    Errors: InputError for a method whose latents cannot be given, and settings that ask for another encoder
    or number of components; those of :func:`read_given`.
    """
    path, settings = recipe.start.latents_from, recipe.settings
    if path is None:
        return recipe
    if not isinstance(settings, LatentSettings):
        raise InputError(
            f"{path}: found latents for the method {recipe.method}, which finds its own; wanted one that "
            "can take them. Leave --latents-from out, or use field, gaussians or segments."
        )
    if settings.encoder not in (LatentSettings.encoder, "given"):
        raise InputError(
            f"{path}: found latents together with the encoder {settings.encoder}; wanted latents that are "
            "given, or an encoder. Leave one of --latents-from and --encoder out."
        )
    if path.is_dir():
        path = Run.open(path).latents_file()
    dim = read_given(path).shape[1]
    if settings.latent_dim not in (LatentSettings.latent_dim, dim):
        raise InputError(
            f"{path}: found latents of {dim} components; wanted {settings.latent_dim}, as --latent-dim says. "
            "Leave --latent-dim out."
        )
    return replace(
        recipe,
        settings=replace(settings, encoder="given", latent_dim=dim),
        start=replace(recipe.start, latents_from=path),
    )


def given_latents(recipe: Recipe, stack: ParticleStack) -> NDArray[np.float64] | None:
    """Latents (n, d) of the particles in use, or None where the method finds its own.

    Errors: InputError where latents are wanted and none are named, or as many as there are not particles;
    where they are those of a run on other particles, or in another order.
    """
    if "latents" not in get_method(recipe.method).wants(recipe.settings):
        return None
    path = recipe.start.latents_from
    if path is None:
        raise InputError(
            "Found the encoder given without latents; wanted those of all particles. Pass --latents-from "
            f"with a run, or a file of latents ({FILES})."
        )
    latents = read_given(path)
    if len(latents) != len(stack):
        raise InputError(
            f"{path}: found latents of {len(latents)} particles; wanted {len(stack)}, as many as are in use "
            f"of {stack.table.source}. Select the same particles."
        )
    run = path.parent.parent
    if path.parent.name == "latents" and (run / "recipe.toml").is_file():
        refuse_other_particles(Run.open(run), stack.table)
    return latents


def read_given(path: Path) -> NDArray[np.float64]:
    """Latents (n, d) in a file: ``mean`` or ``z`` of a .npz, a .npy, or cryoDRGN's z.pkl.

    Errors: FileNotFoundError; InputError where it holds something else, or numbers that are not finite.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: found nothing; wanted a run, or latents in a file ({FILES}). Check the path."
        )
    if path.suffix == ".pkl":
        return read_latents(path)
    if path.suffix not in (".npz", ".npy"):
        raise InputError(f"{path}: found suffix {path.suffix or 'none'}; wanted latents as {FILES}.")
    found: Any = _archive(path) if path.suffix == ".npz" else read_npy(path, wanted="latents (n, d)")
    if found.ndim != 2 or not found.size or found.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: found an array of shape {found.shape} and type {found.dtype}; wanted latents (n, d), "
            "a row a particle."
        )
    wrong = np.flatnonzero(~np.isfinite(found).all(1))
    if len(wrong):
        raise InputError(
            f"{path}: found latents that are not finite in row {wrong[0]} ({len(wrong)} such); wanted "
            "numbers. Leave these particles out, or train that run anew."
        )
    return found.astype(np.float64)


def latents_line(latents: NDArray[np.float64], path: Path | None) -> str:
    """What is said of the latents before training, with a remark where networks would learn badly of them."""
    spread = latents.std(0)
    line = f"latents of {len(latents)} particles, {latents.shape[1]} components, from {path}"
    if spread.max() < SPREAD[0] or spread.max() > SPREAD[1]:
        line += (
            f"; their standard deviation is {spread.max():.2g} at most, and networks learn best of about 1: "
            "scale them"
        )
    return line


def _archive(path: Path) -> Any:
    """The latents of a .npz."""
    try:
        with np.load(path, allow_pickle=False) as file:
            names = list(file.keys())
            for name in ("mean", "z"):
                if name in names:
                    return file[name]
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: found a file that numpy cannot read ({error}); wanted latents.") from error
    raise InputError(
        f"{path}: found the arrays {', '.join(names) or 'none'}; wanted latents by the name of mean, as a "
        "run has them, or of z."
    )


def refuse_other_particles(run: Run, table: ParticleTable) -> None:
    """Raise InputError where the particles of a run are not those of the table, in its order."""
    try:
        own = open_table(run.recipe.data)
    except FileNotFoundError as error:
        raise InputError(
            f"{run.path}: found that the particles of that run are gone ({error}), so that they cannot be "
            "compared; wanted the same ones. If they are, take its latents as a file: trimorph latents "
            f"{run.path} -o z.npy"
        ) from error
    if len(own) != len(table):
        raise InputError(
            f"{run.path}: found {len(own)} particles in the run, and {len(table)} here; wanted the same ones."
        )
    ours, theirs = _images(table), _images(own)
    differ = [i for i, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other]
    if differ:
        name, number, _ = theirs[differ[0]]
        mine, which, _ = ours[differ[0]]
        raise InputError(
            f"{run.path}: found other particles: row {differ[0]} is image {number} of {name}, here image "
            f"{which} of {mine} ({len(differ)} such); wanted the run's, in the same order."
        )


def _images(table: ParticleTable) -> list[tuple[str, int, int]]:
    """Stack, number in it from 1, and symmetric copy of each particle."""
    names = np.array([stack.name for stack in table.stacks])[table.stack]
    copy = np.zeros(len(table), int) if table.copy is None else table.copy
    return list(zip(names.tolist(), (table.slice + 1).tolist(), copy.tolist(), strict=True))
