"""Densities of Gaussians: at the centres of voxels, and without what voxels cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import pi
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

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
    their number times the planes that they reach. Nothing is kept for the gradient, which goes the same way.
    """
    axis = (torch.arange(box, device=position.device) - box // 2).to(position) * pixel_size
    apply: Callable[..., Tensor] = _Voxels.apply
    return apply(position, amplitude, width, axis)


class _Voxels(torch.autograd.Function):
    """The density as one step of autograd; matrix products keep their precision under autocast."""

    @staticmethod
    def forward(ctx: Any, position: Tensor, amplitude: Tensor, width: Tensor, axis: Tensor) -> Tensor:
        ctx.save_for_backward(position, amplitude, width, axis)
        density = axis.new_empty(len(axis), len(axis), len(axis))
        with torch.autocast(axis.device.type, enabled=False):
            for planes, near in _slabs(position, width, axis):
                (x, y, z), _ = _factors(position[near], width[near], axis, axis[planes])
                z = z * _peak(amplitude[near], width[near])
                torch.matmul(z[:, None] * y, x.T, out=density[planes])
        return density

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, residual: Tensor) -> tuple[Tensor | None, ...]:
        position, amplitude, width, axis = ctx.saved_tensors
        total, slope, square = torch.zeros_like(width), torch.zeros_like(position), torch.zeros_like(width)
        with torch.autocast(axis.device.type, enabled=False):
            for planes, near in _slabs(position, width, axis):
                factors, away = _factors(position[near], width[near], axis, axis[planes])
                x, y, z = factors
                part = residual[planes]
                row = part @ x  # what the gradient sees of each factor, from the two others
                seen = (
                    part.flatten(0, 1).T @ (z[:, None] * y).flatten(0, 1),
                    (row * z[:, None]).sum(0),
                    (row * y).sum(1),
                )
                total[near] += (seen[0] * x).sum(0)
                for i in range(3):
                    first = seen[i] * factors[i] * away[i]
                    slope[near, i] += first.sum(0)
                    square[near] += (first * away[i]).sum(0)
        peak = _peak(amplitude, width)
        by_amplitude = total * _peak(torch.ones_like(width), width)
        return slope * (peak / width)[:, None], by_amplitude, (square - 3 * total) * peak / width, None


def _slabs(
    position: Float[Tensor, "g 3"], width: Float[Tensor, " g"], axis: Float[Tensor, " box"]
) -> Iterator[tuple[slice, Int[Tensor, " s"]]]:
    """Some planes of z, and the numbers of the Gaussians near them."""
    z, reach = position[:, 2], width.abs() * REACH[width.dtype]
    for first in range(0, len(axis), SLAB):
        planes = axis[first : first + SLAB]
        near = ((z + reach >= planes[0]) & (z - reach <= planes[-1])).nonzero().flatten()
        yield slice(first, first + len(planes)), near


def _factors(
    position: Float[Tensor, "g 3"],
    width: Float[Tensor, " g"],
    axis: Float[Tensor, " box"],
    planes: Float[Tensor, " h"],
) -> tuple[list[Float[Tensor, "_ g"]], list[Float[Tensor, "_ g"]]]:
    """Factors along x, y and z of peaks of one, and distances from the centres in widths."""
    away = [(place[:, None] - position[:, i]) / width for i, place in enumerate((axis, axis, planes))]
    return [(-0.5 * d.square()).clamp_(min=FAINTEST[d.dtype]).exp_() for d in away], away


def _peak(amplitude: Float[Tensor, " g"], width: Float[Tensor, " g"]) -> Float[Tensor, " g"]:
    return amplitude * (2 * pi * width**2) ** -1.5
