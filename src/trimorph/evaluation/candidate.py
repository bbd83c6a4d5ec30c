"""Candidate: one set of latents, with its maps, and the rows of the truth that its particles are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.core.rotations import rotation_angle
from trimorph.data.open import open_table
from trimorph.data.tables import ParticleTable
from trimorph.data.truth import Truth
from trimorph.evaluation import decoders
from trimorph.run.embedding import Embedding, read_embedding
from trimorph.run.run import Run

_DEFOCUS, _ANGLE, _OTHERS = 1.0, np.deg2rad(2.0), 0.01
"""Å and radians by which CTF and pose of the same image may differ, and the share that may do so in both."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """What is scored: latents z (n, d), and ``rows`` (n,), the images of the truth that they belong to."""

    name: str
    embedding: Embedding
    rows: Int[ndarray, " n"]
    maps: decoders.Maps | None
    notes: tuple[str, ...] = ()

    @property
    def z(self) -> Float[ndarray, "n d"]:
        """The latents."""
        return self.embedding.mean


@dataclass(frozen=True)
class MapChoice:
    """Where the maps of latents in a file are: a folder of maps, or cryoDRGN's weights and config."""

    folder: Path | None = None
    weights: Path | None = None
    config: Path | None = None
    ignore_voxel_size: bool = False


def read_candidate(
    source: Path, truth: Truth, *, choice: MapChoice, epoch: int | None = None, name: str | None = None
) -> Candidate:
    """Read a run, or latents in a file with their maps, and find its particles in the truth.

    Without a choice, a run decodes its maps itself, and so do cryoDRGN's z.N.pkl beside weights.N.pkl and
    config.yaml; other files have none.
    Errors: InputError for particles that are not those of the truth; those of :func:`read_embedding`.
    """
    embedding = read_embedding(source, epoch=epoch)
    notes: list[str] = []
    if embedding.run is None:
        rows = np.arange(len(embedding))
        if len(rows) != len(truth):
            raise InputError(
                f"{source}: found latents of {len(rows)} particles; wanted {len(truth)}, one for each image "
                "of the truth, in its order. Write those of all particles."
            )
    else:
        rows, note = _rows_of_run(embedding.run, len(embedding), truth)
        notes += note
    maps = _maps(embedding, choice, truth)
    if maps is not None:
        notes.append(maps.note)
    return Candidate(name or source.name, embedding, rows, maps, tuple(notes))


def distinct_names(sources: Sequence[Path]) -> list[str]:
    """The last part of each path, with as many before it as tell them apart.

    >>> distinct_names([Path("a/z.pkl"), Path("b/z.pkl")]), distinct_names([Path("runs/one"), Path("two")])
    (['a/z.pkl', 'b/z.pkl'], ['one', 'two'])
    """
    parts = [path.absolute().parts for path in sources]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-count:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{path.name} ({number})" for number, path in enumerate(sources, start=1)]


def _maps(embedding: Embedding, choice: MapChoice, truth: Truth) -> decoders.Maps | None:
    latent_dim = embedding.mean.shape[1]
    if choice.folder is not None:
        return decoders.of_folder(
            choice.folder, embedding.mean, truth, ignore_voxel_size=choice.ignore_voxel_size
        )
    if embedding.run is not None:
        return decoders.of_run(embedding.run, embedding.epoch, truth)
    found = choice
    numbered = re.fullmatch(r"z\.(\d+)\.pkl|z\.pkl", embedding.source.name)
    if choice.weights is None and numbered is not None:
        beside = embedding.source.with_name(embedding.source.name.replace("z", "weights", 1))
        config = embedding.source.with_name("config.yaml")
        if beside.is_file() and config.is_file():
            found = replace(choice, weights=beside, config=config)
    if found.weights is None or found.config is None:
        return None
    return decoders.of_weights(found.weights, found.config, truth, latent_dim=latent_dim)


def _rows_of_run(run: Run, count: int, truth: Truth) -> tuple[Int[ndarray, " n"], list[str]]:
    """Which image of the truth each particle of a run is: by its place in the one stack, or by order."""
    try:
        table = open_table(run.recipe.data)
    except FileNotFoundError as error:
        if count != len(truth):
            raise InputError(
                f"{run.path}: found {count} particles whose files are gone ({error}); wanted these, or as "
                f"many as the truth has, {len(truth)}. Put the files back."
            ) from error
        return np.arange(count), [
            f"the files of its particles are gone ({error}): taken in the truth's order"
        ]
    if len(table) != count:
        raise InputError(
            f"{run.path}: found latents of {count} particles and {len(table)} in {table.source}; wanted as "
            "many. Was the file of particles changed since training? Put it back."
        )
    whole = len(table.stacks) == 1 and table.slice.max() < len(truth)
    if not whole and count != len(truth):
        raise InputError(
            f"{run.path}: found {count} particles from {len(table.stacks)} stacks, and {len(truth)} images "
            "in the truth; wanted those of the truth, or some of its one stack. Evaluate with the truth of "
            "the particles that the run was trained on."
        )
    rows = np.asarray(table.slice if whole else np.arange(count))
    _refuse_others(table, rows, truth, source=str(run.path))
    return rows, []


def _refuse_others(table: ParticleTable, rows: Int[ndarray, " n"], truth: Truth, *, source: str) -> None:
    """Raise InputError where neither pose nor CTF of many particles is that of their images in the truth."""
    differ = np.ones(len(rows), bool)
    compared = False
    if table.ctf is not None and np.ptp(truth.ctf.defocus_u):
        differ &= np.abs(np.asarray(table.ctf.defocus_u) - truth.ctf.defocus_u[rows]) > _DEFOCUS
        compared = True
    if table.rotation is not None:
        turned = torch.as_tensor(table.rotation) @ torch.as_tensor(truth.rotation[rows]).mT
        differ &= rotation_angle(turned.double()).numpy() > _ANGLE
        compared = True
    if compared and differ.mean() > _OTHERS:
        first = int(np.flatnonzero(differ)[0])
        raise InputError(
            f"{source}: found other particles than the truth's: row {first} of {table.source} has neither "
            f"the pose nor the defocus of image {rows[first]} ({int(differ.sum())} such of {len(rows)}); "
            "wanted the particles of the truth. Pass the truth that was simulated with them."
        )
