"""fit_cloud: the cloud of Gaussians that a density is made of, grown until it is good at a resolution.

Source: Chen & Ludtke, Nature Methods 18 (2021) 930, Methods, "Neural network structure and parameter
selection": Gaussians are doubled and the resolution is raised while rings correlate to more than 0.95.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.checks import check_range
from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.methods.cloud_growth import grow, place_cloud, prune
from trimorph.methods.cloud_region import CloudRegion, cloud_region
from trimorph.methods.cloud_target import CloudTarget

FIRST = 256
"""Gaussians at the start, or fewer where the map is small for its resolution."""

GOOD = 0.95
"""Correlation in the last band from which a level is done."""

STEPS = 120
"""Steps of the optimiser a level."""

RATE = 0.05
"""Its first rate: of positions in mean spacings, of logarithms of widths, of amplitudes in mean ones."""

NARROWEST = 0.3
"""Smallest width in pixels of the map; the largest is the level's resolution."""


@dataclass(frozen=True, eq=False)
class CloudFit:
    """A cloud (v = 1) in the map's units, so that its density is the map's, and how well it fits.

    ``correlation`` is that of the last band before the resolution asked for: CloudTarget.correlation.
    """

    cloud: Gaussians
    correlation: float


def fit_cloud(
    density: Float[Tensor, "d d d"],
    pixel_size: float,
    *,
    resolution: float,
    most: int | None = None,
    count: int | None = None,
    mask: Float[Tensor, "d d d"] | None = None,
    nonnegative: bool = False,
    seed: int = 0,
) -> Iterator[tuple[str, CloudFit]]:
    """Levels of the fit, each with a line for the user; the last is the result.

    It starts with one Gaussian for each resolution^3 of the density, at the resolution at which these are
    FIRST or fewer, and doubles them where the fit falls short. The limit rises by 2^(1/3) with each doubling
    when a level is good. It ends when the correlation at ``resolution`` is above GOOD, or at ``most``
    Gaussians or as many as the map supports; with ``count``, at that number exactly. ``mask`` (0 to 1) is
    what the density is multiplied by; no Gaussian stands where it is below a half.

    Errors: InputError for a resolution beyond Nyquist, a mask or map that leaves no Gaussian, and a count
    that the map does not support.
    """
    check_range("count", count, least=1)
    check_range("most", most, least=1)
    region = cloud_region(density, pixel_size, resolution=resolution, mask=mask)
    limit = _limit(region, resolution, most=most, count=count)
    generator = torch.Generator().manual_seed(seed)
    number = min(FIRST, limit, max(round(region.volume / resolution**3), 1))
    level = (region.volume / number) ** (1 / 3)
    level = resolution if number == count or level < 1.1 * resolution else level
    final = region.target(resolution)
    target = final if level == resolution else region.target(level)
    place, values = region.allowed(target, target.values)
    cloud = place_cloud(place, values * target.pixel_size**3, number, generator=generator)
    while True:
        cloud = _descend(cloud, target, region, nonnegative=nonnegative)
        number, reached = cloud.amplitude.shape[1], target.correlation(cloud)
        line = f"{number} Gaussians: correlation {reached:.3f} at {level:.1f} Å"
        yield line, CloudFit(cloud, final.correlation(cloud))
        if level == resolution and (number >= limit or (count is None and reached > GOOD)):
            return
        wanted = min(2 * number, limit)
        if wanted == limit:
            level = resolution
        elif reached > GOOD:
            level = max(resolution, level * 2 ** (-1 / 3))
        target = final if level == resolution else region.target(level)
        cloud = prune(cloud)
        place, residual = region.allowed(target, target.residual(cloud), positive=False)
        missing = wanted - cloud.amplitude.shape[1]
        cloud = grow(cloud, missing, place=place, residual=residual, resolution=level, generator=generator)


def _limit(region: CloudRegion, resolution: float, *, most: int | None, count: int | None) -> int:
    supported = region.supported(resolution)
    if count is not None and count > supported:
        raise InputError(
            f"Gaussians: found a count of {count}; wanted at most {supported}, as many as the map "
            f"supports at {resolution:g} Å: one for each ({resolution:g} Å / 2)^3 of the "
            f"{region.volume:.0f} Å^3 that it fills. Pass {supported} or fewer, a finer resolution, or "
            "none to have the number found."
        )
    if count is not None:
        return count
    return supported if most is None else min(most, supported)


def _descend(cloud: Gaussians, target: CloudTarget, region: CloudRegion, *, nonnegative: bool) -> Gaussians:
    """Adam on positions, logarithms of widths and amplitudes, at a rate that falls to nothing.

    A step that would leave the region is not taken.
    """
    bounds = log(NARROWEST * region.pixel_size), log(target.resolution)
    spacing = (region.volume / cloud.amplitude.shape[1]) ** (1 / 3)
    unit = cloud.amplitude.abs().mean()
    place = cloud.position.clone().requires_grad_()
    width = cloud.width.clamp_min(1e-3).log().clamp(*bounds).requires_grad_()
    height = (cloud.amplitude / unit).requires_grad_()
    rates = ((place, RATE * spacing), (width, RATE), (height, RATE))
    optimiser = torch.optim.Adam([{"params": [one], "lr": rate} for one, rate in rates], betas=(0.9, 0.99))
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        before = place.detach().clone()
        optimiser.zero_grad()
        with torch.enable_grad():
            target.loss(Gaussians(place, height * unit, width.exp())).backward()
        optimiser.step()
        falling.step()
        with torch.no_grad():
            place.copy_(torch.where(region.holds(place[0])[:, None], place, before))
            width.clamp_(*bounds)
            if nonnegative:
                height.clamp_(min=0)
    return Gaussians(place.detach(), height.detach() * unit, width.detach().exp())
