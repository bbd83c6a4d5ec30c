"""How far particles are from a point of latent space, as they themselves know where they are.

Letters: n particles, d latent components.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import cKDTree
from scipy.stats import chi2

from trimorph.reconstruction.ladder import LEAST
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
    covariance = known_covariance(embedding)
    if covariance is None:
        return np.asarray(np.linalg.norm(apart, axis=1) / neighbourhood(embedding.mean))
    least = FLOOR * np.trace(np.atleast_2d(np.cov(embedding.mean.T))) / len(z)
    solved = np.linalg.solve(covariance + least * np.eye(len(z)), apart[:, :, None])[:, :, 0]
    return np.asarray(np.sqrt((apart * solved).sum(1).clip(0)))


def narrowest_distance(embedding: Embedding) -> float:
    """The distance within which nineteen of twenty particles lie whose latents are in truth those of another.

    sqrt(2 q), with q the 95th percentile of chi^2 for as many degrees of freedom as the latents tell: the
    trace of C (C + S)^-1, with C the covariance of all means and S the mean covariance. The difference of
    two latents has the noise of both. Zero where covariances are not known.

    >>> from pathlib import Path
    >>> mean = np.linspace(-100.0, 100.0, 50)[:, None]
    >>> round(narrowest_distance(Embedding(mean, np.ones((50, 1, 1)), Path("z.npz"))), 2)
    2.77
    """
    covariance = known_covariance(embedding)
    if covariance is None:
        return 0.0
    spread = np.cov(embedding.mean.T, ddof=0).reshape(covariance.shape[1:])
    known = np.linalg.solve((spread + covariance.mean(0)).T, spread.T)
    return float(np.sqrt(2 * chi2.ppf(0.95, max(np.trace(known), 1e-3))))


def least_number(embedding: Embedding) -> int:
    """Particles that a map is made of at least: 100, and one in fifty where covariances are not known."""
    if known_covariance(embedding) is not None:
        return LEAST
    return max(LEAST, len(embedding) // 50)


def known_covariance(embedding: Embedding) -> Float[ndarray, "n d d"] | None:
    """How well particles know their latents, or None: point estimates have covariances of zero."""
    covariance = embedding.covariance
    return None if covariance is None or not covariance.any() else covariance


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
    if known_covariance(embedding) is not None:
        return "in standard deviations of each particle's own latent"
    return (
        f"in units of {neighbourhood(embedding.mean):.3g}, the median distance to the tenth neighbour, as "
        f"{embedding.source.name} does not say how well each latent is known"
    )
