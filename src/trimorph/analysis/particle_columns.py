"""Columns of the particles: what a run says of each, beside what the particle file does.

Letters: n particles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from trimorph.analysis.components import Components
from trimorph.analysis.states import States
from trimorph.core.rotations import matrix_to_euler
from trimorph.data.source_column import source_column, source_columns
from trimorph.data.tables import ParticleTable
from trimorph.run.embedding import Embedding

Columns = dict[str, NDArray[Any]]

CLASSES = ("rlnClassNumber", "alignments3D/class", "alignments3D_multi/class")
"""Names of a column of classes, of which the first that is there and tells particles apart is taken."""


def latent_columns(
    embedding: Embedding, components: Components, states: States, *, umap: Float[ndarray, "n 2"] | None = None
) -> Columns:
    """What the latents say: z1 ..., pc1 ..., umap1 and umap2 if given, state, magnitude, uncertainty.

    ``magnitude`` is the distance from the mean latent. ``uncertainty`` is the root of the trace of the
    latent's own covariance, left out where that is zero or not known. States count from 1.
    """
    mean, covariance = embedding.mean, embedding.covariance
    found: Columns = {f"z{number + 1}": column for number, column in enumerate(mean.T)}
    found |= {f"pc{number + 1}": column for number, column in enumerate(components.scores.T)}
    if umap is not None:
        found |= {f"umap{number + 1}": column for number, column in enumerate(umap.T)}
    found["state"] = states.label + 1
    found["magnitude"] = np.linalg.norm(mean - mean.mean(0), axis=1)
    if covariance is not None and covariance.any():
        found["uncertainty"] = np.sqrt(np.trace(covariance, axis1=1, axis2=2).clip(0))
    return found


def table_columns(table: ParticleTable) -> Columns:
    """What the particle file says, as far as it says it and particles differ in it.

    ``row`` counts the file's rows from 0, and ``copy`` symmetric copies. ``defocus`` is the mean of both in
    Å, ``astigmatism`` their difference; ``phase_shift`` and the angles ``rot``, ``tilt`` and ``psi`` are in
    degrees. ``micrograph`` is its name, ``group`` the optics group, ``class`` that of an earlier
    classification, ``half`` the half set.
    """
    found: Columns = {"row": table.row}
    if table.copy is not None:
        found["copy"] = table.copy
    if table.ctf is not None:
        u, v = np.asarray(table.ctf.defocus_u), np.asarray(table.ctf.defocus_v)
        found |= {"defocus": 0.5 * (u + v), "astigmatism": u - v}
        found["phase_shift"] = np.rad2deg(np.asarray(table.ctf.phase_shift))
    if table.rotation is not None:
        euler = np.rad2deg(matrix_to_euler(torch.from_numpy(table.rotation)).numpy())
        found |= dict(zip(("rot", "tilt", "psi"), euler.T, strict=True))
    if table.micrograph is not None:
        found["micrograph"] = table.micrograph.astype(str)
    found["group"] = np.asarray(table.columns.groups)[table.group] if table.columns.groups else table.group
    known = source_columns(table)
    for name in CLASSES:
        if name in known and "class" not in found and source_values(table, name).ndim == 1:
            found["class"] = source_values(table, name)
    if table.half is not None:
        found["half"] = table.half
    return {name: values for name, values in found.items() if name == "row" or differs(values)}


def source_values(table: ParticleTable, name: str, *, others: tuple[str, ...] = ()) -> NDArray[Any]:
    """A column of the particle file by its own name: numbers where all are, else texts.

    Errors: InputError where there is no such column, nor among ``others`` that are known beside the file's.
    """
    values = source_column(table, name, wanted_for="colours", others=others)
    try:
        numbers = values.astype(np.float64)
    except (ValueError, TypeError):
        return values.astype(str)
    whole = (
        numbers.ndim == 1 and bool(np.isfinite(numbers).all()) and bool((numbers == np.round(numbers)).all())
    )
    return numbers.astype(np.int64) if whole and np.abs(numbers).max(initial=0) < 2**53 else numbers


def differs(values: NDArray[Any]) -> bool:
    """Whether particles differ in a column, beyond rounding."""
    if values.ndim != 1 or not len(values):
        return False
    if values.dtype.kind != "f":
        return bool((values != values[0]).any())
    known = values[np.isfinite(values)]
    return bool(len(known)) and float(np.ptp(known)) > 1e-9 * float(np.abs(known).max())
