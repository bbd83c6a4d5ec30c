"""How well points agree with a map in a band of frequencies, whatever their blur.

Letters: n points, m the frequencies of an axis, h those of a half.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import torch
from jaxtyping import Complex, Float, Int
from scipy.fft import next_fast_len
from torch import Tensor

from trimorph.core.fsc import shell_sum
from trimorph.core.point_field import spread_points

FINENESS = 5.0
"""Voxels, over the shortest wave of the band, of the grid that points are spread on."""

FEWEST = 3
"""Shells that make a band."""


@dataclass(frozen=True)
class BandAgreement:
    """Correlations of two sets of points with a map in a band, and of these with each other.

    ``independent`` is the number of independent values in the band.
    """

    first: float
    second: float
    between: float
    independent: float

    @property
    def gain(self) -> float:
        """By how much the second set agrees more."""
        return self.second - self.first

    @property
    def error(self) -> float:
        """Standard error of the gain, were the map nothing but noise there."""
        return sqrt(max(2 * (1 - self.between), 0.0) / self.independent)


def band_agreement(
    density: Float[Tensor, "d d d"],
    pixel_size: float,
    *,
    position: Float[Tensor, "2 n 3"],
    weight: Float[Tensor, " n"],
    band: tuple[float, float],
) -> BandAgreement | None:
    """Fourier shell correlations in a band (1/Å), averaged over its shells by the values in each.

    The points (x, y, z in Å from the origin voxel) count with the same power in all shells, so no fall-off
    matters. Of the band's values as many are independent as its density fills the box: with q its square,
    3 mean(q)^2 / mean(q^2) of them, which is all for noise that fills it. None where there are no FEWEST
    shells.
    """
    shells = _shells_of(density, pixel_size, band)
    if shells is None:
        return None
    high = shells.stop - 1
    grid = next_fast_len(max(ceil(FINENESS * high), 2 * high + 1), real=True)
    scale = grid / (len(density) * pixel_size)
    spread = (spread_points(one[None] * scale, weight, grid)[0] for one in position)
    parts = [_banded(values, shells) for values in (torch.fft.ifftshift(density), *spread)]
    count = float(_power(parts[0]))

    def product(one: Tensor, other: Tensor) -> float:
        return float(shell_sum((one * other.conj()).real).double().sum()) / count

    return BandAgreement(
        first=product(parts[0], parts[1]),
        second=product(parts[0], parts[2]),
        between=product(parts[1], parts[2]),
        independent=_share(parts[0]) * count,
    )


def independent_values(density: Float[Tensor, "d d d"], pixel_size: float, *, finest: float) -> float:
    """Independent values up to ``finest`` (1/Å), counted as in :func:`band_agreement`; one at least."""
    shells = _shells_of(density, pixel_size, (0.0, finest))
    if shells is None:
        return 1.0
    part = _banded(torch.fft.ifftshift(density), shells)
    return max(1.0, _share(part) * float(_power(part)))


def _shells_of(density: Float[Tensor, "d d d"], pixel_size: float, band: tuple[float, float]) -> range | None:
    """Shells of a box in a band, but the zeroth; None for fewer than FEWEST."""
    side = len(density) * pixel_size
    low, high = max(1, ceil(band[0] * side)), min(int(band[1] * side), (len(density) - 1) // 2)
    return range(low, high + 1) if high - low + 1 >= FEWEST else None


def _banded(values: Float[Tensor, "d d d"], shells: range) -> Complex[Tensor, "m m h"]:
    """Transform on some shells alone, with a mean square of one on each, laid out as that of an odd box."""
    high = shells.stop - 1
    number = _shell_numbers(2 * high + 1)
    inside = (number >= shells.start) & (number <= high)
    return _whitened(_cropped(torch.fft.rfftn(values), high) * inside, number)


def _power(spectrum: Complex[Tensor, "m m h"]) -> Float[Tensor, ""]:
    return shell_sum(spectrum.abs().square()).double().sum()


def _share(spectrum: Complex[Tensor, "m m h"]) -> float:
    """Part of the box that a density fills, by the moments of its square q: 3 mean(q)^2 / mean(q^2)."""
    square = torch.fft.irfftn(spectrum, s=(len(spectrum),) * 3).double().square()
    return min(1.0, 3 * float(square.mean()) ** 2 / float(square.square().mean()))


def _cropped(spectrum: Complex[Tensor, "d d e"], high: int) -> Complex[Tensor, "m m h"]:
    """The frequencies up to ``high`` of a half-space transform, laid out as that of an odd box."""
    kept = torch.cat([torch.arange(high + 1), torch.arange(-high, 0) + len(spectrum)])
    return spectrum[kept][:, kept, : high + 1]


def _shell_numbers(box: int) -> Int[Tensor, "m m h"]:
    axis = torch.fft.fftfreq(box, 1 / box)
    return (
        (axis[:, None, None] ** 2 + axis[:, None] ** 2 + torch.arange(box // 2 + 1) ** 2)
        .sqrt()
        .round()
        .long()
    )


def _whitened(spectrum: Complex[Tensor, "m m h"], shell: Int[Tensor, "m m h"]) -> Complex[Tensor, "m m h"]:
    """Values whose mean square is one on every shell where there is any."""
    power = shell_sum(spectrum.abs().square()).double()
    values = shell_sum(torch.ones_like(spectrum.real)).double()
    scale = torch.where(power > 0, (values / power.clamp_min(1e-300)).sqrt(), 0.0)
    beyond = len(scale) - 1  # corners of the cube, where nothing is
    return spectrum * scale[shell.clamp_max(beyond)].to(spectrum.real.dtype)
