"""The density that explains back-projected sums best: regularised least squares, solved by a few steps.

Letters: d box, m = 2 d the oversampled grid, h = d + 1 its half, s shells.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, pi

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from trimorph.core.gridding import OVERSAMPLING, Gridding

LEAST_SHARE = 1e-3
STEPS = 1


@dataclass(frozen=True, eq=False)
class FourierSums:
    """Kernel-spread sums of precision c y and of precision c^2, as ``rfftn`` lays out a grid of 2 d."""

    numerator: Complex[Tensor, "m m h"]
    weight: Float[Tensor, "m m h"]

    @property
    def box(self) -> int:
        """Box of the density in voxels."""
        return len(self.weight) // OVERSAMPLING


def solve_density(
    sums: FourierSums,
    *,
    gridding: Gridding,
    ssnr: Float[Tensor, " s"] | None = None,
    steps: int = STEPS,
) -> Float[Tensor, "d d d"]:
    """Minimise sum precision |y - c V|^2 + sum prior |V|^2 over densities inside the box.

    The start is the usual gridding answer, numerator / (weight + prior), whose kernel blurs steep weights
    (the CTF near the origin) together with the signal; ``steps`` of preconditioned conjugate gradients
    on the exact normal equations, which are a convolution of the padded box, take that blur away.

    With ``ssnr`` (shells 0 to d // 2) the prior is the shell's mean weight / SSNR, a Wiener filter; without,
    there is none, and a grid point's weight counts as at least a thousandth of its shell's mean in the start.
    Memory: about 10 arrays of (2 d)^3 float32.

    Source: Scheres, J. Struct. Biol. 180 (2012) 519, eqs. 4 to 6; Wang, Shkolnisky & Singer,
    arXiv:1307.5824, section 3 (the normal equations as a convolution).
    """
    unit = float(_taper(gridding, sums.box, sums.weight.device)[sums.box // 2]) ** 3
    prior, floor = _prior(sums.weight / unit, ssnr)
    inverse = torch.where(floor > 0, 1 / (torch.maximum(sums.weight / unit, floor) + prior), 0.0)
    taper = _cube(_taper(gridding, sums.box, inverse.device))
    target = _crop(torch.fft.irfftn(sums.numerator)) / taper
    spread = torch.fft.fftshift(torch.fft.irfftn(sums.weight.to(sums.numerator.dtype)))
    spread = spread / _cube(_taper(gridding, 2 * sums.box, inverse.device, grid=len(sums.weight)))
    normal = torch.fft.rfftn(torch.fft.ifftshift(spread)).real + prior * (floor > 0)
    density = _crop(torch.fft.irfftn(sums.numerator * inverse)) / taper
    residual = target - _apply(normal, density)
    search, power = torch.zeros_like(density), 0.0
    for _ in range(steps):
        scaled = _apply(inverse, residual)
        previous, power = power, float((residual * scaled).sum())
        search = scaled + (power / previous if previous else 0.0) * search
        image = _apply(normal, search)
        curvature = float((search * image).sum())
        if not curvature > 0:
            break
        density = density + (power / curvature) * search
        residual = residual - (power / curvature) * image
    return density


def shell_mean(values: Float[Tensor, "m m h"]) -> Float[Tensor, " s"]:
    """Mean over the grid points of each shell 0 to d // 2 (rounded radius in pixels of the box)."""
    box = len(values) // OVERSAMPLING
    shell = _radius(values).round().long().clamp(max=box).flatten()
    total = torch.bincount(shell, values.flatten().double(), minlength=box // 2 + 1)
    return (total / torch.bincount(shell, minlength=box // 2 + 1).clamp_min(1))[: box // 2 + 1].to(values)


def _prior(
    weight: Float[Tensor, "m m h"], ssnr: Float[Tensor, " s"] | None
) -> tuple[Float[Tensor, "m m h"], Float[Tensor, "m m h"]]:
    """Prior precision at each grid point, and the least weight a grid point counts with (0: unknown)."""
    radius = _radius(weight)
    mean = _along(shell_mean(weight), radius)
    known = radius < radius[weight > 0].max() + 1e-3 if bool((weight > 0).any()) else radius < 0
    floor = LEAST_SHARE * mean * known
    if ssnr is None:
        return torch.zeros_like(mean), floor
    return mean * _along(1 / ssnr.to(weight).clamp_min(1e-6), radius), floor


def _radius(values: Float[Tensor, "m m h"]) -> Float[Tensor, "m m h"]:
    """Distance of the grid points from the origin in Fourier pixels of the box."""
    size = len(values)
    axis = torch.fft.fftfreq(size, OVERSAMPLING / size, device=values.device) ** 2
    last = axis[: size // 2 + 1]
    return (axis[:, None, None] + axis[:, None] + last).sqrt()


def _along(curve: Float[Tensor, " s"], radius: Float[Tensor, "m m h"]) -> Float[Tensor, "m m h"]:
    """A curve over shells, linear between them and constant beyond the last."""
    below = radius.long().clamp(max=len(curve) - 1)
    above = (below + 1).clamp(max=len(curve) - 1)
    return torch.lerp(curve[below], curve[above], radius - radius.floor())


def _apply(factor: Float[Tensor, "m m h"], density: Float[Tensor, "d d d"]) -> Float[Tensor, "d d d"]:
    """Multiply the transform of the density, padded to twice its box, and crop again."""
    box = len(density)
    before = box - box // 2
    padded = torch.nn.functional.pad(density, (before, box - before) * 3)
    return _crop(torch.fft.irfftn(factor * torch.fft.rfftn(torch.fft.ifftshift(padded))))


def _crop(values: Float[Tensor, "m m m"]) -> Float[Tensor, "d d d"]:
    """The box around the origin of a grid whose origin is its first point."""
    box = len(values) // OVERSAMPLING
    before = box - box // 2
    inner = slice(before, before + box)
    return torch.fft.fftshift(values)[inner, inner, inner]


def _taper(
    gridding: Gridding, length: int, device: torch.device, *, grid: int | None = None
) -> Float[Tensor, " length"]:
    """Transform of the kernel at the ``length`` points around the origin of a real-space grid.

    :meth:`Gridding.taper` gives it for a box on a grid of twice its size; the convolution's kernel fills
    the whole grid.
    """
    if grid is None:
        return gridding.taper(length, device=device)
    index = torch.arange(length, device=device, dtype=torch.float64) - length // 2
    root = (gridding.beta**2 - (pi * gridding.width * index / grid) ** 2).clamp_min(1e-6).sqrt()
    return (gridding.width * exp(-gridding.beta) * torch.sinh(root) / root).float()


def _cube(axis: Float[Tensor, " d"]) -> Float[Tensor, "d d d"]:
    return axis[:, None, None] * axis[:, None] * axis
