"""What a problem must hold for modes of density to be found; how many of them, and to which resolution."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.core.voxel_grid import resample
from trimorph.methods.base import Problem
from trimorph.methods.mode_agreement import shells
from trimorph.methods.variance_mask import particle_ball

LIMITS = (6.0, 9.0, 13.0)
"""Resolution limits that are tried in turn by default: the particle's diameter over these."""

FIRST_MODES, MOST_MODES = 10, 20
"""Modes that are fitted at first where their number is to be found, and where all of the first are needed."""


def ingredients(problem: Problem) -> tuple[Float[Tensor, "d d d"], Float[Tensor, "d d d"], Int[Tensor, " n"]]:
    """Mean, mask and half sets; the mask is a ball of the particle's radius where none is given.

    Errors: InputError where mean or half sets are missing, no density may vary, the mean map is empty, or all
    particles are in one half set.
    """
    mean, mask, half = problem.mean, problem.mask, problem.half
    if mean is None or half is None:
        raise InputError(
            "Linear modes: found a problem without mean or half sets; wanted both. Make it with what "
            "Linear.wants names."
        )
    if mask is None:
        mask = particle_ball(problem.box, problem.pixel_size, radius=problem.radius)
    if not bool(mask.isfinite().all()) or float(mask.max()) < 0.1:
        raise InputError(
            f"Linear modes: found a mask whose highest value is {float(mask.max()):.3g}; wanted 1 where the "
            "density may vary. Pass another --mask, or none for one around the mean map."
        )
    if not bool(mean.isfinite().all()) or not bool(mean.any()):
        raise InputError(
            "Linear modes: found a mean map that is zero everywhere or not finite; wanted a density. Look at "
            "poses, CTF and images: trimorph reconstruct shows the map."
        )
    sizes = _sizes(half)
    if min(sizes) == 0:
        raise InputError(
            f"Linear modes: found {sizes[0]} particles in half set 1 and {sizes[1]} in half set 2; wanted "
            "some in each, as each judges the other's modes. Choose particles of both."
        )
    return mean, mask, half


def mode_counts(modes: int | Literal["auto"], half: Int[Tensor, " n"]) -> tuple[int, int]:
    """Modes to fit at first and at most: as asked, or as many as may be tried with the smaller half set.

    Errors: InputError where a half set has fewer particles than modes.
    """
    fewest = min(_sizes(half))
    if modes == "auto":
        return min(FIRST_MODES, fewest), min(MOST_MODES, fewest)
    if modes > fewest:
        raise InputError(
            f"Linear modes: found {len(half)} particles, {fewest} in the smaller half set, for {modes} "
            f"modes; wanted at least as many in each half set. Pass --modes {fewest} or less, or more "
            "particles."
        )
    return modes, modes


def mode_limits(resolution: float | None, problem: Problem) -> tuple[float, ...]:
    """Resolution limits in Å, in the order in which they are tried; none is finer than the pixels hold.

    Errors: InputError where the resolution asked for is coarser than the particle.
    """
    diameter = 2 * problem.radius
    if resolution is None:
        return tuple(dict.fromkeys(max(diameter / fall, 2.5 * problem.pixel_size) for fall in LIMITS))
    if resolution > diameter / 2:
        raise InputError(
            f"Linear modes: found a resolution of {resolution:g} Å for a particle of {diameter:.0f} Å; "
            f"wanted at most half of it. Pass --resolution {diameter / LIMITS[0]:.0f} or finer, or leave it "
            "out to have it found."
        )
    return (max(resolution, 2 * problem.pixel_size),)


def mode_mask(
    mask: Float[Tensor, "d d d"], from_pixel_size: float, *, box: int, pixel_size: float
) -> Float[Tensor, "c c c"]:
    """The mask on the modes' grid.

    Errors: InputError where it is so narrow that nothing is left of it there.
    """
    coarse = resample(mask, from_pixel_size, box=box, pixel_size=pixel_size).clamp(0, 1)
    if float(coarse.max()) < 0.5:
        raise InputError(
            f"Linear modes: found a mask narrower than the modes' voxels of {pixel_size:.3g} Å; wanted "
            "one that is several of them wide. Widen the --mask, or pass a finer --resolution."
        )
    return coarse


def mode_unit(mean: Float[Tensor, "c c c"], mask: Float[Tensor, "c c c"]) -> Float[Tensor, ""]:
    """Density that modes are counted in: the mean's root mean square in the mask.

    At least a fifth of what the mean has where it is dense, sqrt(sum mean^4 / sum mean^2), so that a mask
    around a faint part does not make the steps small.
    """
    inside = (mean * mask).square().sum() / mask.square().sum()
    dense = mean.pow(4).sum() / mean.square().sum().clamp_min(1e-30)
    return torch.maximum(inside, 0.04 * dense).sqrt().clamp_min(1e-12)


def random_modes(
    sets: int, count: int, *, box: int, radius: float, generator: torch.Generator | None = None
) -> Float[Tensor, "s k c c c"]:
    """Noise of standard deviation 1 without Fourier components beyond a radius."""
    axes = (-3, -2, -1)
    noise = torch.randn(sets, count, box, box, box, generator=generator)
    kept = torch.fft.fftn(noise, dim=axes) * (shells(box) <= radius)
    smooth = torch.fft.ifftn(kept, dim=axes).real
    return smooth / smooth.std()


def _sizes(half: Int[Tensor, " n"]) -> list[int]:
    return [int((half == number).sum()) for number in (0, 1)]
