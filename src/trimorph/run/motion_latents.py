"""Where the latents of a run lie: their axes, and the ends of a walk through them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.run.choose_latents import PERCENTILES
from trimorph.run.components import principal_components
from trimorph.training.latents import Latents

COLLAPSED = 1e-3
"""Standard deviation, relative to the largest, below which a principal component is noise of rounding."""


def latent_axes(latents: Latents) -> Float[ndarray, "k d"]:
    """Principal axes of the latents by falling variance, each as long as the standard deviation along it.

    Axes along which the latents hardly differ are left out.
    """
    mean = latents.mean.astype(np.float64)
    axes = principal_components(mean)
    deviation = (mean @ axes.T).std(0)
    return (axes * deviation[:, None])[deviation > COLLAPSED * deviation.max(initial=0.0)]


def ends_along(
    latents: Latents, axes: Float[ndarray, "k d"], direction: Float[ndarray, " k"]
) -> Float[ndarray, "2 d"]:
    """Latents at the 5th and 95th percentile along a direction in units of the axes, from the mean.

    In these units the latents have unit variance in every direction, so the ends lie where particles are.
    """
    mean = latents.mean.astype(np.float64)
    centre = mean.mean(0)
    place = (mean - centre) @ (axes / (axes**2).sum(1, keepdims=True)).T @ direction
    return centre + np.percentile(place, PERCENTILES)[:, None] * (direction @ axes)
