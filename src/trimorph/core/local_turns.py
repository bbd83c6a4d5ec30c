"""Local turns: how the surroundings of each point turn where points are displaced.

Letters: k fields of displacement, n points, p pairs of neighbours.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

_FLAT = 1e-9
"""Moment of inertia, over that of the neighbours, about an axis on which all of them lie."""


def local_turns(
    displacement: Float[Tensor, "k n 3"], position: Float[Tensor, "n 3"], pairs: Int[Tensor, "p 2"]
) -> Float[Tensor, "k n 3"]:
    """Angular velocities (radians) w_i that best explain how neighbours are displaced against each point.

    Least squares over the pairs (i, j) of i: sum |(u_j - u_i) - w_i x (x_j - x_i)|^2. Of a rigid motion it is
    the motion's own; about an axis on which all neighbours lie it is zero, and so it is without neighbours.

    >>> corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    >>> about_z = torch.linalg.cross(torch.tensor([[0.0, 0.0, 0.2]]).expand(3, 3), corners)
    >>> local_turns(about_z[None], corners, torch.tensor([[0, 1], [0, 2], [1, 2]]))[0, 0]
    tensor([0.0000, 0.0000, 0.2000])
    """
    place, moved = position.double(), displacement.double()
    first, second = pairs.unbind(1)
    apart = place[second] - place[first]
    square = apart.square().sum(-1)
    inertia = square[:, None, None] * torch.eye(3).to(place) - apart[:, :, None] * apart[:, None]
    total = place.new_zeros(len(place), 3, 3)
    total.index_add_(0, first, inertia).index_add_(0, second, inertia)
    trace = total.diagonal(dim1=-2, dim2=-1).sum(-1)
    support = torch.where(trace > 0, _FLAT * trace, torch.ones_like(trace))
    solver = torch.linalg.inv(total + support[:, None, None] * torch.eye(3).to(place))
    turns = []
    for one in moved:  # field by field, as there are many more pairs than points
        moment = torch.linalg.cross(apart, one[second] - one[first])
        around = torch.zeros_like(place).index_add_(0, first, moment).index_add_(0, second, moment)
        turns.append((solver @ around[..., None])[..., 0])
    return torch.stack(turns).to(displacement.dtype)
