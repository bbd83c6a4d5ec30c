"""unexplained: Gaussians for parts that move so far that the average has lost them."""

from __future__ import annotations

from math import pi

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.gaussians import Gaussians
from trimorph.methods.cloud_growth import uncrowded

CLEAR = 0.2
"""Share of the largest deviation below which there is nothing to explain."""

NARROW = 0.25
"""Width of a seed over the resolution."""


def unexplained(
    modes: Float[Tensor, "k c c c"],
    pixel_size: float,
    cloud: Gaussians,
    *,
    resolution: float,
    most: int,
    share: float = 0.0,
) -> Gaussians:
    """Gaussians (v = 1, at most ``most``) to add to a cloud (v = 1), where density varies more than it is.

    ``modes`` are as long as their latents' standard deviations, so that sqrt(sum_k V_k^2) is the density's.
    Density rho in a share p of the images has mean p rho and standard deviation rho sqrt(p (1 - p)), which
    is more than the mean where p < 1/2: there something passes rather than stays. Seeds stand on the most
    deviating such points above CLEAR of the largest, resolution / 2 apart from each other; each has ``share``
    of the deviation's mass around it as its amplitude, and with 0 the cloud's density is as before.

    >>> modes = torch.zeros(1, 8, 8, 8); modes[0, 2, 4, 6] = 3.0
    >>> cloud = Gaussians(torch.zeros(1, 1, 3), torch.ones(1, 1), torch.ones(1, 1))
    >>> unexplained(modes, 5.0, cloud, resolution=10.0, most=4).position.tolist()
    [[[10.0, 0.0, -10.0]]]
    """
    box = modes.shape[-1]
    deviation = modes.square().sum(0).sqrt()
    passes = deviation > cloud.voxels(box, pixel_size)[0].clamp_min(0)
    weight = torch.where(passes & (deviation > CLEAR * deviation.max()), deviation, 0.0).flatten()
    axis = (torch.arange(box, device=modes.device) - box // 2) * pixel_size
    place = torch.cartesian_prod(axis, axis, axis).flip(-1).to(cloud.position)
    seed = uncrowded(place, weight, spacing=0.5 * resolution, most=most)
    width = torch.full((1, len(seed)), NARROW * resolution).to(cloud.width)
    amplitude = share * weight[seed] * (2 * pi * (NARROW * resolution) ** 2) ** 1.5
    return Gaussians(place[seed][None], amplitude[None], width)
