"""Principal components of latents: axes, variances, and where every particle lies along them.

Letters: n particles, d latent components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.run.components import principal_components


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of latents: unit vectors ``axes`` by falling ``variance``, and their places.

    ``scores`` are the particles' coordinates along the axes, from the mean.
    """

    axes: Float[ndarray, "d d"]
    variance: Float[ndarray, " d"]
    scores: Float[ndarray, "n d"]

    @property
    def share(self) -> Float[ndarray, " d"]:
        """Share of each in the variance of all; zero where there is none."""
        total = self.variance.sum()
        return self.variance / total if total > 0 else np.zeros_like(self.variance)


def find_components(mean: Float[ndarray, "n d"]) -> Components:
    """Principal components of the latents of all particles.

    >>> latents = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> find_components(latents).share.round(6).tolist()
    [0.9, 0.1]
    """
    axes = principal_components(mean)
    scores = (mean - mean.mean(0)) @ axes.T
    return Components(axes, scores.var(0), scores)
