"""Principal components of latents."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def principal_components(mean: Float[ndarray, "n d"]) -> Float[ndarray, "d d"]:
    """Unit vectors by falling variance; the largest entry of each is positive.

    >>> principal_components(np.array([[0.0, 1.0], [0.0, -1.0]]))
    array([[0., 1.],
           [1., 0.]])
    """
    _, vectors = np.linalg.eigh(np.cov(mean.T, ddof=0).reshape(mean.shape[1], mean.shape[1]))
    axes = vectors.T[::-1]
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(1)]
    return axes * np.sign(largest)[:, None]
