"""The density that explains back-projected sums best: regularised least squares, solved by a few steps.

Letters: d box, m = 2 d the oversampled grid, h = d + 1 its half, s shells, q squared radii.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, pi

import torch
from jaxtyping import Complex, Float, Int
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
    box, device = sums.box, sums.weight.device
    taper = gridding.taper(box, device=device)
    unit = float(taper[box // 2]) ** 3
    prior, floor = _prior(sums.weight, ssnr)
    prior, floor = prior / unit, floor / unit
    inverse = torch.where(floor > 0, 1 / (torch.maximum(sums.weight / unit, floor) + prior), 0.0)
    density = _centre(torch.fft.irfftn(sums.numerator * inverse)) / _cube(taper)
    if steps == 0:
        return density
    target = _centre(torch.fft.irfftn(sums.numerator)) / _cube(taper)
    spread = torch.fft.irfftn(sums.weight.to(sums.numerator.dtype)) / _cube(
        _wide_taper(gridding, box, device)
    )
    normal = torch.fft.rfftn(spread).real.add_(prior)
    residual = target - _convolve(normal, density)
    search, power = torch.zeros_like(density), 0.0
    for _ in range(steps):
        scaled = _convolve(inverse, residual)
        previous, power = power, float((residual * scaled).sum())
        search = scaled + (power / previous if previous else 0.0) * search
        image = _convolve(normal, search)
        curvature = float((search * image).sum())
        if not curvature > 0:
            break
        density = density + (power / curvature) * search
        residual = residual - (power / curvature) * image
    return density


def shell_mean(values: Float[Tensor, "m m h"]) -> Float[Tensor, " s"]:
    """Mean over the grid points of each shell 0 to d // 2 (rounded radius in pixels of the box)."""
    return _shell_mean(values, _squared_radius(values))


def _prior(
    weight: Float[Tensor, "m m h"], ssnr: Float[Tensor, " s"] | None
) -> tuple[Float[Tensor, "m m h"], Float[Tensor, "m m h"]]:
    """Prior precision at each grid point, and the least weight a grid point counts with (0: unknown).

    Both end where the weights end.
    """
    place = _squared_radius(weight)
    mean = _shell_mean(weight, place)
    last = int((place * (weight > 0)).max()) if bool((weight > 0).any()) else -1
    known = torch.arange(int(place.max()) + 1, device=weight.device) <= last
    floor = (LEAST_SHARE * _at_squared_radii(mean, len(known)) * known)[place]
    if ssnr is None:
        return torch.zeros_like(weight), floor
    damping = mean / ssnr.to(weight).clamp_min(1e-6)
    return (_at_squared_radii(damping, len(known)) * known)[place], floor


def _squared_radius(values: Float[Tensor, "m m h"]) -> Int[Tensor, "m m h"]:
    """Squared distance of the grid points from the origin, in points of the grid."""
    size = len(values)
    axis = torch.arange(size, device=values.device, dtype=torch.int32)
    axis = torch.where(axis > size // 2, axis - size, axis) ** 2
    return axis[:, None, None] + axis[:, None] + axis[: size // 2 + 1]


def _shell_mean(values: Float[Tensor, "m m h"], place: Int[Tensor, "m m h"]) -> Float[Tensor, " s"]:
    box, place = len(values) // OVERSAMPLING, place.flatten()
    total, count = torch.bincount(place, values.flatten().double()), torch.bincount(place)
    shell = (torch.arange(len(total), device=values.device).sqrt() / OVERSAMPLING).round().long()
    mean = torch.bincount(shell, total) / torch.bincount(shell, count.double()).clamp_min(1)
    return mean[: box // 2 + 1].to(values)


def _at_squared_radii(curve: Float[Tensor, " s"], count: int) -> Float[Tensor, " q"]:
    """A curve over shells at squared radii 0 to ``count - 1``: linear, and constant beyond the last shell."""
    radius = torch.arange(count, device=curve.device).sqrt() / OVERSAMPLING
    below = radius.long().clamp(max=len(curve) - 1)
    return torch.lerp(curve[below], curve[(below + 1).clamp(max=len(curve) - 1)], radius - radius.floor())


def _convolve(factor: Float[Tensor, "m m h"], density: Float[Tensor, "d d d"]) -> Float[Tensor, "d d d"]:
    """Multiply the transform of the density, padded to twice its box, and crop again."""
    box, size = len(density), (len(factor),) * 3
    return torch.fft.irfftn(torch.fft.rfftn(density, s=size).mul_(factor), s=size)[:box, :box, :box]


def _centre(values: Float[Tensor, "m m m"]) -> Float[Tensor, "d d d"]:
    """The box around the origin of a grid whose origin is its first point."""
    box = len(values) // OVERSAMPLING
    for axis in range(3):
        before = values.narrow(axis, values.shape[axis] - box // 2, box // 2)
        values = torch.cat([before, values.narrow(axis, 0, box - box // 2)], axis)
    return values


def _wide_taper(gridding: Gridding, box: int, device: torch.device) -> Float[Tensor, " m"]:
    """Transform of the kernel on the whole real-space grid of twice the box, its origin first.

    :meth:`Gridding.taper` gives it inside the box alone.
    """
    size = OVERSAMPLING * box
    index = torch.fft.fftfreq(size, 1 / size, device=device, dtype=torch.float64)
    root = (gridding.beta**2 - (pi * gridding.width * index / size) ** 2).clamp_min(1e-6).sqrt()
    return (gridding.width * exp(-gridding.beta) * torch.sinh(root) / root).float()


def _cube(axis: Float[Tensor, " d"]) -> Float[Tensor, "d d d"]:
    return axis[:, None, None] * axis[:, None] * axis
