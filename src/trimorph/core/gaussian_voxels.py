"""gaussian_voxels: the densities of Gaussians at the centres of voxels."""

from __future__ import annotations

from math import pi

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

FAINTEST = {torch.float32: -28.0, torch.float64: -230.0}
"""Logarithm at which the three factors of a density end: products of smaller ones are subnormal and slow."""

REACH = {torch.float32: 6.0, torch.float64: 9.0}
"""Standard deviations from its centre to which a Gaussian is drawn on z: to 2e-8 and 3e-18 of its peak."""

SLAB = 8
"""Planes that are filled together."""


def gaussian_voxels(
    position: Float[Tensor, "g 3"],
    amplitude: Float[Tensor, " g"],
    width: Float[Tensor, " g"],
    *,
    box: int,
    pixel_size: float,
) -> Float[Tensor, "box box box"]:
    """sum_n amplitude_n (2 pi width_n^2)^(-3/2) exp(-|x - position_n|^2 / (2 width_n^2)), indexed [z, y, x].

    A few planes of z at a time, each a matrix product over the Gaussians near them: memory and work go with
    their number times the planes that they reach, and nothing is kept for the gradient.
    """
    axis = (torch.arange(box, device=position.device) - box // 2).to(position) * pixel_size
    with torch.no_grad():
        reach = width.abs() * REACH[width.dtype]
        z = position[:, 2]
    slabs = []
    for planes in axis.split(SLAB):
        near = ((z + reach >= planes[0]) & (z - reach <= planes[-1])).nonzero().flatten()
        numbers = (position[near], amplitude[near], width[near])
        if any(one.requires_grad for one in numbers):
            slabs.append(checkpoint(_slab, *numbers, planes, axis, use_reentrant=False))
        else:
            slabs.append(_slab(*numbers, planes, axis))
    return torch.cat(slabs)


def _slab(
    position: Float[Tensor, "g 3"],
    amplitude: Float[Tensor, " g"],
    width: Float[Tensor, " g"],
    planes: Float[Tensor, " h"],
    axis: Float[Tensor, " box"],
) -> Float[Tensor, "h box box"]:
    with torch.autocast(axis.device.type, enabled=False):
        x, y, z = (
            (-0.5 * ((place[:, None] - position[:, i]) / width) ** 2).clamp(min=FAINTEST[width.dtype]).exp()
            for i, place in enumerate((axis, axis, planes))
        )
        z = z * (amplitude * (2 * pi * width**2) ** -1.5)
        return (z[:, None] * y) @ x.T
