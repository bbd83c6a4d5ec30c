"""Densities of Gaussians: at the centres of voxels, and without what voxels cannot hold."""

from __future__ import annotations

from math import pi

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from trimorph.core.voxel_grid import resample

FAINTEST = {torch.float32: -28.0, torch.float64: -230.0}
"""Logarithm at which the three factors of a density end: products of smaller ones are subnormal and slow."""

REACH = {torch.float32: 6.0, torch.float64: 9.0}
"""Standard deviations from its centre to which a Gaussian is drawn on z: to 2e-8 and 3e-18 of its peak."""

SLAB = 8
"""Planes that are filled together."""


def band_limited_voxels(
    position: Float[Tensor, "g 3"],
    amplitude: Float[Tensor, " g"],
    width: Float[Tensor, " g"],
    *,
    box: int,
    pixel_size: float,
) -> Float[Tensor, "box box box"]:
    """The density whose transform is that of the Gaussians up to Nyquist on each axis, and zero beyond.

    Values at the centres of voxels mistake what is finer than two voxels for something coarser; of Gaussians
    narrower than a voxel that is a part that shows. These are drawn on voxels of half the size, blurred to a
    width of one of these, the blur is divided out of the transform, and half of its frequencies are kept.
    """
    fine = pixel_size / 2
    narrowest = float(width.detach().abs().min()) if len(width) else pixel_size
    if narrowest >= pixel_size:
        return gaussian_voxels(position, amplitude, width, box=box, pixel_size=pixel_size)
    blur = max(fine**2 - narrowest**2, 0.0)
    blurred = gaussian_voxels(position, amplitude, (width**2 + blur).sqrt(), box=2 * box, pixel_size=fine)
    square = (torch.fft.fftfreq(2 * box, fine).to(width)) ** 2
    half = square[: box + 1]
    sharpen = torch.exp(2 * pi**2 * blur * (square[:, None, None] + square[:, None] + half))
    sharpen = sharpen.clamp(max=float(torch.exp(torch.tensor(1.5 * pi**2 * blur / pixel_size**2))))
    sharp = torch.fft.irfftn(torch.fft.rfftn(blurred) * sharpen, s=blurred.shape)
    return resample(sharp, fine, box=box, pixel_size=pixel_size)


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
