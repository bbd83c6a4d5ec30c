"""How much of the latents is told by what they should not know of: defocus, view, shift, micrograph.

Letters: n particles, f features, p principal components.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from trimorph.data.orientations import view_directions
from trimorph.data.tables import ParticleTable

COMPONENTS = 4
"""Principal components that are looked at."""

LEAST = 20
"""Particles for each feature, below which nothing is said."""


def nuisance_shares(scores: Float[ndarray, "n d"], table: ParticleTable) -> dict[str, Float[ndarray, " p"]]:
    """Share of the variance of each of the first components that each nuisance explains.

    It is the adjusted R^2 of a linear fit to the ranks of the component, 0 on average where there is nothing.
    Views are told by the spherical harmonics of first and second degree, the turn in the plane by its sine
    and cosine, micrographs by their means. What the file does not say, or is the same for all, is left out.
    """
    ranks = np.argsort(np.argsort(scores[:, :COMPONENTS], axis=0), axis=0).astype(np.float64)
    found = {}
    for name, features in nuisance_features(table).items():
        if len(ranks) >= LEAST * features.shape[1]:
            found[name] = explained(ranks, features)
    if table.micrograph is not None:
        group = np.unique(table.micrograph, return_inverse=True)[1]
        if 1 < group.max() + 1 <= len(ranks) / 5:
            found["micrograph"] = explained_by_groups(ranks, group)
    return found


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


def explained(values: Float[ndarray, "n p"], features: Float[ndarray, "n f"]) -> Float[ndarray, " p"]:
    """Adjusted R^2 of the linear fit of each column of values by all features.

    >>> x = np.linspace(0, 1, 50)[:, None]
    >>> explained(3 * x + 1, x).round(6).tolist()
    [1.0]
    """
    centred = values - values.mean(0)
    scaled = (features - features.mean(0)) / features.std(0)
    basis, spread, _ = np.linalg.svd(scaled, full_matrices=False)
    basis = basis[:, spread > 1e-9 * spread[0]]
    total = (centred**2).sum(0)
    share = np.where(total > 0, ((basis.T @ centred) ** 2).sum(0) / np.where(total > 0, total, 1.0), 0.0)
    return _adjusted(share, len(values), basis.shape[1])


def explained_by_groups(values: Float[ndarray, "n p"], group: NDArray[np.int64]) -> Float[ndarray, " p"]:
    """Adjusted R^2 of the means of groups, numbered from 0."""
    centred, count = values - values.mean(0), np.bincount(group)
    sums = np.stack([np.bincount(group, column) for column in centred.T], axis=1)
    total = (centred**2).sum(0)
    between = (sums**2 / count[:, None]).sum(0)
    return _adjusted(
        np.where(total > 0, between / np.where(total > 0, total, 1.0), 0.0), len(values), len(count) - 1
    )


def _adjusted(share: Float[ndarray, " p"], count: int, freedom: int) -> Float[ndarray, " p"]:
    found: Float[ndarray, " p"] = 1 - (1 - share) * (count - 1) / max(count - 1 - freedom, 1)
    return found
