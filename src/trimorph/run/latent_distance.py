"""How far particles are from a point of latent space, as they themselves know where they are.

Letters: n particles, d latent components.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import cKDTree

from trimorph.run.embedding import Embedding

FLOOR = 1e-4
"""Least variance of a particle's latent, as a share of that of all latents, that is believed."""

NEIGHBOUR, SAMPLES = 10, 1000
"""Which neighbour is the unit of length where there are no covariances, and of how many latents."""


def latent_distance(embedding: Embedding, z: Float[ndarray, " d"]) -> Float[ndarray, " n"]:
    """Distance of each particle's latent from a point.

    The Mahalanobis distance under the particle's own covariance, sqrt((z_i - z)^T S_i^-1 (z_i - z)): a
    particle is near where its image cannot tell its latent from z. Without covariances it is |z_i - z|, in
    units of :func:`neighbourhood`.

    >>> from pathlib import Path
    >>> mean = np.array([[1.0], [1.0], [-2.0]])
    >>> known = Embedding(mean, np.array([[[1.0]], [[4.0]], [[1.0]]]), Path("z.npz"))
    >>> latent_distance(known, np.zeros(1)).round(3)
    array([1. , 0.5, 2. ])
    """
    apart = embedding.mean - z
    if not has_covariance(embedding):
        return np.asarray(np.linalg.norm(apart, axis=1) / neighbourhood(embedding.mean))
    least = FLOOR * np.trace(np.atleast_2d(np.cov(embedding.mean.T))) / len(z)
    covariance = embedding.covariance + least * np.eye(len(z))
    solved = np.linalg.solve(covariance, apart[:, :, None])[:, :, 0]
    return np.asarray(np.sqrt((apart * solved).sum(1).clip(0)))


def has_covariance(embedding: Embedding) -> bool:
    """Whether particles say how well they know their latents; point estimates have covariances of zero."""
    return embedding.covariance is not None and bool(embedding.covariance.any())


def neighbourhood(mean: Float[ndarray, "n d"]) -> float:
    """Median distance of a latent from its tenth neighbour, among a thousand of them; 1 where it is zero.

    >>> neighbourhood(np.arange(100.0)[:, None])
    5.0
    """
    some = mean[np.linspace(0, len(mean) - 1, min(len(mean), SAMPLES)).astype(int)]
    distance, _ = cKDTree(mean).query(some, k=[min(NEIGHBOUR + 1, len(mean))])
    return float(np.median(distance)) or 1.0


def metric(embedding: Embedding) -> str:
    """What distances are measured by, in words."""
    if has_covariance(embedding):
        return "in standard deviations of each particle's own latent"
    return (
        f"in units of {neighbourhood(embedding.mean):.3g}, the median distance to the tenth neighbour, as "
        f"{embedding.source.name} does not say how well each latent is known"
    )
