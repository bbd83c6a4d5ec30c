"""cloud_of_atoms: a cloud that stands where a structure's parts are, with a map's scale and sharpness."""

from __future__ import annotations

from math import log, pi

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.methods.cloud_region import require_resolution
from trimorph.methods.cloud_target import CloudTarget

NARROWEST = 0.3
"""Smallest width in pixels of the map; the largest is the resolution."""


def cloud_of_atoms(
    position: Float[Tensor, "n 3"],
    weight: Float[Tensor, " n"],
    density: Float[Tensor, "d d d"],
    pixel_size: float,
    *,
    resolution: float,
) -> tuple[Gaussians, float]:
    """Gaussians (v = 1) at points in Å with amplitudes c x weight and one width, and their correlation.

    c and width are those of least squared error to ``resolution``, each shell counting alike: for a width, c
    is the quotient of two sums over waves, and the width is searched in between. What of the map lies farther
    than two resolutions from all points' box is not looked at. The correlation is that of the last band.

    Errors: InputError for a resolution beyond Nyquist, a point outside the map, and points that do not
    correlate with it.
    """
    require_resolution(resolution, pixel_size)
    box = len(density)
    outside = ((position / pixel_size + box // 2).round() < 0) | (
        (position / pixel_size).round() > box - 1 - box // 2
    )
    if bool(outside.any()):
        raise InputError(
            f"Structure: found {int(outside.any(1).sum())} of {len(position)} points outside the map of "
            f"{box} voxels of {pixel_size:g} Å; wanted all inside, in Å from the voxel {box // 2}. Shift the "
            "structure into the map's frame, or take it off its centre of mass."
        )
    target = CloudTarget.of(
        density,
        pixel_size,
        resolution=resolution,
        lower=position.amin(0) - 2 * resolution,
        upper=position.amax(0) + 2 * resolution,
    )
    narrow, wide = NARROWEST * pixel_size, resolution

    def cloud(width: float, scale: float = 1.0) -> Gaussians:
        return Gaussians(position[None], scale * weight[None], torch.full_like(weight, width)[None])

    points = target.wave(cloud(narrow))
    square = target.square_frequency
    cross = (points.conj() * target.spectrum).real * target.weight
    power = points.abs().square() * target.weight

    def scale_and_gain(width: float) -> tuple[float, float]:
        """Best c at a width, and by how much it lowers the loss."""
        fall = torch.exp(-2 * pi**2 * (width**2 - narrow**2) * square)
        shared, own = float((cross * fall).sum()), float((power * fall**2).sum())
        return shared / own, shared * abs(shared) / own

    tried = np.geomspace(narrow, wide, 16)
    best = int(np.argmax([scale_and_gain(width)[1] for width in tried]))
    bounds = log(tried[max(best - 1, 0)]), log(tried[min(best + 1, 15)])
    found = minimize_scalar(lambda x: -scale_and_gain(float(np.exp(x)))[1], bounds=bounds, method="bounded")
    width = float(np.exp(found.x))
    scale, _ = scale_and_gain(width)
    fitted = cloud(width, scale)
    reached = target.correlation(fitted)
    if not scale > 0:
        raise InputError(
            "Structure: found no correlation of its points with the map; wanted the structure where the map "
            "is dense. Fit it into the map first, and look at the map's sign: the particle is positive."
        )
    return fitted, reached
