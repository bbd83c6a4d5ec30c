"""Latents in units of their spread."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.run.components import principal_components

FLAT = 1e-6
"""Standard deviation, over the largest, below which a component says nothing but rounding."""


def whitened(mean: Float[ndarray, "n d"]) -> Float[ndarray, "n w"]:
    """Principal components from the mean, each in units of its standard deviation.

    Those along which nothing varies are left out; of latents that are all alike, a column of zeros is left.

    >>> whitened(np.array([[0.0, 7.0], [2.0, 7.0]])).tolist()
    [[-1.0], [1.0]]
    """
    scores = (mean - mean.mean(0)) @ principal_components(mean).T
    spread = scores.std(0)
    varies = spread > FLAT * max(float(spread.max()), 1e-150)
    return scores[:, varies] / spread[varies] if varies.any() else np.zeros((len(mean), 1))
