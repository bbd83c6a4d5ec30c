"""How much of the latents is told by what they should not know of: defocus, view, shift, micrograph.

Letters: n particles, f features, p principal components.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.typing import NDArray
from scipy import stats

from trimorph.data.orientations import view_directions
from trimorph.data.tables import ParticleTable

COMPONENTS = 4
"""Principal components that are looked at."""

LEAST = 20
"""Particles for each feature, below which nothing is said."""

TOLD, LEVEL = 0.05, 0.01
"""Share of a component's variance that a nuisance may explain, and probability that one is told by chance."""


@dataclass(frozen=True, eq=False)
class Explained:
    """Share of the variance of each of some values that something explains, and how easily by chance.

    ``share`` is the adjusted R^2, 0 on average where there is nothing; ``p`` the probability of as much where
    there is nothing (F test).
    """

    share: Float[ndarray, " p"]
    p: Float[ndarray, " p"]


def find_nuisances(scores: Float[ndarray, "n d"], table: ParticleTable) -> dict[str, Explained]:
    """How much of each of the first components each nuisance explains, by a linear fit to their ranks.

    Views are told by the spherical harmonics of first and second degree, the turn in the plane by its sine
    and cosine, micrographs by their means. What the file does not say, or is the same for all, is left out.
    Copies of a particle in a symmetry count as one.
    """
    ranks = np.argsort(np.argsort(scores[:, :COMPONENTS], axis=0), axis=0).astype(np.float64)
    count = len(np.unique(table.row))
    found = {}
    for name, features in nuisance_features(table).items():
        if count >= LEAST * features.shape[1]:
            found[name] = explained(ranks, features, count=count)
    if table.micrograph is not None:
        group = np.unique(table.micrograph, return_inverse=True)[1]
        if 1 < group.max() + 1 <= count / 5:
            found["micrograph"] = explained_by_groups(ranks, group, count=count)
    return found


def beyond_chance(
    found: Mapping[str, Explained], matters: Bool[ndarray, " d"]
) -> dict[str, Bool[ndarray, " p"]]:
    """Which components each nuisance explains to more than a twentieth, and surely not by chance.

    p is multiplied by the number of questions asked, of the components that matter alone: of particles whose
    latents follow nothing, however few or many, one set in a hundred has a nuisance that is told here.
    """
    asked = {name: matters[: len(one.share)] for name, one in found.items()}
    questions = sum(int(mine.sum()) for mine in asked.values())
    return {
        name: asked[name] & (one.share > TOLD) & (questions * one.p < LEVEL) for name, one in found.items()
    }


def nuisance_features(table: ParticleTable) -> dict[str, Float[ndarray, "n f"]]:
    """Features of each nuisance that the table tells of, without those that are constant."""
    features: dict[str, NDArray[np.float64]] = {}
    if table.ctf is not None:
        defocus = 0.5 * (np.asarray(table.ctf.defocus_u) + np.asarray(table.ctf.defocus_v))
        features["defocus"] = np.stack([defocus, defocus**2], axis=1)
    if table.rotation is not None:
        x, y, z = view_directions(table.rotation).T
        features["view direction"] = np.stack([x, y, z, x * y, x * z, y * z, x**2 - y**2, z**2], axis=1)
        turn = np.arctan2(table.rotation[:, 1, 2], table.rotation[:, 0, 2])
        features["turn in the plane"] = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if table.shift is not None:
        features["shift"] = np.asarray(table.shift, dtype=np.float64)
    if table.half is not None:
        features["half set"] = table.half[:, None].astype(np.float64)
    varied = {
        name: values[:, values.std(0) > 1e-9 * (1 + np.abs(values).max(0))]
        for name, values in features.items()
    }
    return {name: values for name, values in varied.items() if values.shape[1]}


def explained(
    values: Float[ndarray, "n p"], features: Float[ndarray, "n f"], *, count: int | None = None
) -> Explained:
    """What the linear fit of each column of values by all features explains, of so many that are independent.

    >>> x = np.linspace(0, 1, 50)[:, None]
    >>> explained(3 * x + 1, x).share.round(6).tolist()
    [1.0]
    """
    centred = values - values.mean(0)
    scaled = (features - features.mean(0)) / features.std(0)
    basis, spread, _ = np.linalg.svd(scaled, full_matrices=False)
    basis = basis[:, spread > 1e-9 * spread[0]]
    return _of_sums(((basis.T @ centred) ** 2).sum(0), centred, freedom=basis.shape[1], count=count)


def explained_by_groups(
    values: Float[ndarray, "n p"], group: NDArray[np.int64], *, count: int | None = None
) -> Explained:
    """What the means of groups, numbered from 0, explain."""
    centred, size = values - values.mean(0), np.bincount(group)
    sums = np.stack([np.bincount(group, column) for column in centred.T], axis=1)
    return _of_sums((sums**2 / size[:, None]).sum(0), centred, freedom=len(size) - 1, count=count)


def _of_sums(
    square: Float[ndarray, " p"], centred: Float[ndarray, "n p"], *, freedom: int, count: int | None
) -> Explained:
    """From sums of squares that are explained by so many degrees of freedom."""
    total = (centred**2).sum(0)
    share = np.where(total > 0, square / np.where(total > 0, total, 1.0), 0.0).clip(0, 1)
    rest = max((len(centred) if count is None else count) - 1 - freedom, 1)
    ratio = share / freedom * rest / (1 - share).clip(1e-300)
    return Explained(1 - (1 - share) * (freedom + rest) / rest, stats.f.sf(ratio, freedom, rest))
