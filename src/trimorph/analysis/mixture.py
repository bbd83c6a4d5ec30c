"""Gaussian mixtures of latents, with full covariances and as many components as the data ask for.

Letters: n particles, d latent components, c components of the mixture, k clusters.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.analysis.whiten import whitened
from trimorph.run.clusters import nearest_of_each, refuse_count

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

MOST = 10
"""Components that are tried where the user does not say how many."""

FITTED = 20_000
"""Particles that a mixture is fitted to, drawn at random where there are more: parameters are few."""

STARTS = 3
"""Starts of the last fit, of which the most likely is kept."""


def mixture(
    mean: Float[ndarray, "n d"], count: int | None, *, seed: int = 0
) -> tuple[Int[ndarray, " n"], Int[ndarray, " k"]]:
    """The likeliest component of every particle, and of each the particle nearest to its mean.

    Nearest is by the component's own covariance. Without ``count``, it is that with the lowest Bayesian
    information criterion, -2 log L + p log n with p parameters, of 1 to 10. A component that is likeliest for
    no particle goes away. Clusters are in the order of :func:`trimorph.run.clusters.leaf_order`.

    Errors: InputError for more components than there are different latents.
    """
    refuse_count(mean, 1 if count is None else count)
    if len(mean) == 1:
        return np.zeros(1, np.int64), np.zeros(1, np.int64)
    unit = whitened(mean)
    some = unit[np.random.default_rng(seed).permutation(len(unit))[:FITTED]]
    if count is None:
        most = max(1, min(MOST, len(np.unique(some, axis=0)) // (some.shape[1] + 2)))
        count = 1 + int(np.argmin([_fit(some, one, 1, seed).bic(some) for one in range(1, most + 1)]))
    fitted = _fit(some, count, STARTS, seed)
    label = fitted.predict(unit).astype(np.int64)
    far = np.empty(len(unit))
    for own in range(count):
        rows = label == own
        far[rows] = (((unit[rows] - fitted.means_[own]) @ fitted.precisions_cholesky_[own]) ** 2).sum(1)
    return nearest_of_each(mean, label, far)


def _fit(some: Float[ndarray, "m d"], count: int, starts: int, seed: int) -> GaussianMixture:
    """A mixture of so many components; what has not quite converged is near enough."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(count, n_init=starts, random_state=seed).fit(some)
