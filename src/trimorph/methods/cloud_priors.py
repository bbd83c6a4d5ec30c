"""What is likely of a cloud of Gaussians and of its motion, before any image is seen.

Letters: v clouds, g Gaussians, p pairs.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from trimorph.core.gaussians import Gaussians

NEIGHBOURS = 6

FREE_STRETCH = 0.1
"""Root mean square change of neighbours' distances, in Å, from which stretching costs."""


def neighbour_pairs(position: Float[Tensor, "g 3"]) -> Int[Tensor, "p 2"]:
    """Each Gaussian with those nearest to it, at most NEIGHBOURS."""
    near = min(NEIGHBOURS, len(position) - 1)
    if near < 1:
        return torch.zeros(0, 2, dtype=torch.long, device=position.device)
    points = position.detach().cpu().double().numpy()
    _, found = cKDTree(points).query(points, k=range(2, near + 2))
    other = torch.as_tensor(found, dtype=torch.long)
    own = torch.arange(len(points))[:, None].expand_as(other)
    return torch.stack([own, other], dim=-1).flatten(0, 1).to(position.device)


def stretching(
    position: Float[Tensor, "v g 3"], neutral: Float[Tensor, "g 3"], pairs: Int[Tensor, "p 2"]
) -> Float[Tensor, " v"]:
    """Cost of changed distances between neighbours: log(1 + mean change^2 / FREE_STRETCH^2).

    Half of it, for every number that sets a displacement, is minus the log prior of numbers that change
    distances by an unknown amount, the same for all, of which every size is as likely as another: so its
    weight fits a motion of an Å and one of twenty alike.
    """
    if not len(pairs):
        return position.new_zeros(len(position))
    first, second = pairs.unbind(1)
    before = (neutral[first] - neutral[second]).norm(dim=-1)
    after = (position[:, first] - position[:, second]).square().sum(-1).clamp_min(1e-6).sqrt()
    return torch.log1p((after - before).square().mean(-1) / FREE_STRETCH**2)


def spread(cloud: Gaussians) -> Float[Tensor, " v"]:
    """Cost of unequal amplitudes and widths: minus log of Gaussians around the cloud's own means, summed.

    Amplitudes spread by their mean size, widths by half a natural logarithm.
    """
    strength = cloud.amplitude.abs().mean(-1, keepdim=True).detach().clamp_min(1e-30)
    amplitude = cloud.amplitude / strength
    width = cloud.width.clamp_min(1e-30).log()
    width = 2 * (width - width.mean(-1, keepdim=True))
    amplitude = amplitude - amplitude.mean(-1, keepdim=True)
    return 0.5 * (amplitude.square() + width.square()).sum(-1)
