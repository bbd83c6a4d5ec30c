"""How well a known truth was recovered: by the latents, and by the maps."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import cKDTree
from scipy.stats import spearmanr

from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.core.label_agreement import match_labels
from trimorph.run.clusters import kmeans
from trimorph.run.components import principal_components

_STARTS = 10


def component_scores(z: Float[ndarray, "n d"]) -> Float[ndarray, "n d"]:
    """Coordinates of latents along their principal components, from their mean, the widest first."""
    return (z - z.mean(0)) @ principal_components(z).T


def latent_correlation(z: Float[ndarray, "n d"], coordinate: Float[ndarray, " n"]) -> float:
    """Best |Spearman correlation| of one of the first two principal components with a coordinate.

    >>> angle = np.linspace(0, 1, 50)
    >>> round(latent_correlation(np.stack([angle**3, 0 * angle], axis=1), angle), 3)
    1.0
    """
    components = component_scores(z)[:, :2]
    found = [abs(float(spearmanr(column, coordinate).statistic)) for column in components.T if np.ptp(column)]
    return max(found, default=0.0)


def neighbour_correlation(
    z: Float[ndarray, "n d"],
    coordinate: Float[ndarray, " n"],
    *,
    neighbours: int = 30,
    folds: int = 5,
    seed: int = 0,
) -> float:
    """Spearman correlation of a coordinate with its mean over the nearest neighbours in the latent space.

    Neighbours are sought among the particles of the other folds, by the Euclidean distance of the latents as
    they are, without scaling. It asks whether the latents know the coordinate, along whatever curve.

    >>> angle = np.linspace(0, 1.5 * np.pi, 500)
    >>> arc = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> round(latent_correlation(arc, angle), 1), round(neighbour_correlation(arc, angle), 1)
    (0.9, 1.0)
    """
    if not (np.ptp(z, axis=0).any() and np.ptp(coordinate)):
        return 0.0
    predicted = neighbour_means(z, coordinate[:, None], neighbours=neighbours, folds=folds, seed=seed)
    return float(spearmanr(predicted[:, 0], coordinate).statistic)


def neighbour_means(
    z: Float[ndarray, "n d"],
    values: Float[ndarray, "n c"],
    *,
    neighbours: int = 30,
    folds: int = 5,
    seed: int = 0,
) -> Float[ndarray, "n c"]:
    """Mean of values over the nearest neighbours of each latent among the particles of the other folds."""
    if len(z) < folds or folds < 2:
        raise InputError(
            f"Found {len(z)} latents and {folds} folds; wanted two folds or more, none of them empty."
        )
    fold = np.random.default_rng(seed).permutation(len(z)) % folds
    predicted = np.empty(values.shape)
    for number in range(folds):
        known, asked = values[fold != number], fold == number
        nearest = cKDTree(z[fold != number]).query(z[asked], k=range(1, 1 + min(neighbours, len(known))))[1]
        predicted[asked] = known[nearest].mean(axis=1)
    return predicted


def cluster_accuracy(z: Float[ndarray, "n d"], label: Int[ndarray, " n"], *, seed: int = 0) -> float:
    """Share of particles that k-means puts with their class, clusters and classes matched at best."""
    return match_labels(clusters(z, len(np.unique(label)), seed=seed), label).agreement


def clusters(z: Float[ndarray, "n d"], count: int, *, seed: int = 0) -> Int[ndarray, " n"]:
    """Number of each latent's cluster by k-means; fewer than asked where there are not so many latents."""
    return kmeans(z, min(count, len(np.unique(z, axis=0))), seed=seed, starts=_STARTS)[0]


def mean_fsc(density: Float[ndarray, "v d d d"], truth: Float[ndarray, "v d d d"]) -> float:
    """FSC of pairs of maps averaged over shells 1 to d / 2 - 1 and over the pairs, without a mask."""
    curves = fourier_shell_correlation(torch.tensor(density), torch.tensor(truth))
    return float(curves[:, 1 : density.shape[-1] // 2].mean())
