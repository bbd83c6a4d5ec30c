"""Latents in a plane by UMAP, which keeps neighbours together and says nothing of distances.

Letters: n particles, d latent components.
"""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError

NEIGHBOURS, FEWEST = 15, 10
"""Neighbours of each particle, as is UMAP's default, and particles below which there is no plane to find."""


def umap_plane(mean: Float[ndarray, "n d"], *, seed: int = 0) -> Float[ndarray, "n 2"]:
    """Coordinates of every particle, the same again for the same seed.

    Source: McInnes, Healy & Melville 2018, UMAP: uniform manifold approximation and projection.
    Errors: InputError where umap-learn is not installed, and for fewer than ten particles.
    """
    try:
        from umap import UMAP
    except ImportError as error:
        raise InputError(
            f"Found no umap-learn ({error}); wanted it for UMAP. Install it with: pip install "
            '"trimorph[umap]", or leave --umap out.'
        ) from error
    if len(mean) < FEWEST:
        raise InputError(f"Found {len(mean)} particles; wanted {FEWEST} or more for UMAP. Leave --umap out.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that one seed means one thread
        found = UMAP(n_neighbors=min(NEIGHBOURS, len(mean) - 1), random_state=seed).fit_transform(mean)
    return np.asarray(found, np.float64)
