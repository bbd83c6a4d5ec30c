"""fit_cloud: the cloud of Gaussians that a density is made of, grown until it is good at a resolution.

Source: Chen & Ludtke, Nature Methods 18 (2021) 930, Methods, "Neural network structure and parameter
selection": Gaussians are doubled and the resolution is raised while rings correlate to more than 0.95.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, log

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize
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

ROUNDS, LOOKS = (2, 6), 40
"""Fewest and most runs of the optimiser a level, and how often it looks at the loss in each."""

FURTHER = 3.0
"""Times a run's gain in correlation that all runs after it are expected to bring together."""

MEMORY = 20
"""Steps from which it learns the loss's curvature."""

FARTHEST = 2.0
"""Mean spacings that a Gaussian may go along an axis in a run."""

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
    mask: Float[Tensor, "m m m"] | None = None,
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
    limit = cloud_limit(region, resolution, most=most, count=count)
    generator = torch.Generator().manual_seed(seed)
    number = min(FIRST, limit, max(round(region.volume / resolution**3), 1))
    level = (region.volume / number) ** (1 / 3)
    level = resolution if level < 1.1 * resolution else level
    final = region.target(resolution)
    target = final if level == resolution else region.target(level)
    place, values = region.allowed(final, final.values)
    cloud = place_cloud(place, values * final.pixel_size**3, number)
    while True:
        last = cloud.amplitude.shape[1] >= limit
        cloud, reached = _descend(cloud, target, region, nonnegative=nonnegative, last=last)
        number = cloud.amplitude.shape[1]
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


def cloud_limit(region: CloudRegion, resolution: float, *, most: int | None, count: int | None) -> int:
    """Gaussians that a cloud may have: a count exactly, else what the map supports, up to ``most``.

    Errors: InputError for a count that the map does not support.
    """
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


def _descend(
    cloud: Gaussians, target: CloudTarget, region: CloudRegion, *, nonnegative: bool, last: bool
) -> tuple[Gaussians, float]:
    """The cloud of least loss and its correlation: quasi-Newton steps on all numbers of the Gaussians.

    In 60 looks at the loss it goes lower than Adam in 120 at its best rate. After each run, what has left
    the region is set back to where it was; runs go on until the correlation is GOOD. Before the ``last``
    level they end, too, when it will not be, and more Gaussians are needed.
    """
    reached = target.correlation(cloud)
    for run in range(1, ROUNDS[1] + 1):
        before, found = reached, _round(cloud, target, region, nonnegative=nonnegative)
        inside = region.holds(found.position[0])[:, None]
        cloud = replace(found, position=torch.where(inside, found.position, cloud.position))
        reached = target.correlation(cloud)
        hopeless = not last and reached + FURTHER * (reached - before) < GOOD
        if run >= ROUNDS[0] and (reached > GOOD or hopeless):
            break
    return cloud, reached


def _round(cloud: Gaussians, target: CloudTarget, region: CloudRegion, *, nonnegative: bool) -> Gaussians:
    """One run of L-BFGS-B on positions, amplitudes and logarithms of widths.

    Units are the mean spacing and the mean amplitude.
    """
    count = cloud.amplitude.shape[1]
    spacing = (region.volume / count) ** (1 / 3)
    unit = float(cloud.amplitude.abs().mean())
    narrow, wide = log(NARROWEST * region.pixel_size), log(target.resolution)
    width = cloud.width.clamp(exp(narrow), exp(wide)).log()

    def unpacked(numbers: Float[Tensor, "5 g"]) -> Gaussians:
        return Gaussians(cloud.position + spacing * numbers[:3].T, unit * numbers[3:4], numbers[4:].exp())

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        numbers = torch.from_numpy(flat).to(cloud.position).view(5, -1).requires_grad_()
        with torch.enable_grad():
            value = target.loss(unpacked(numbers))
            (slope,) = torch.autograd.grad(value, numbers)
        return float(value.detach()), slope.flatten().cpu().numpy().astype(np.float64)

    start = torch.cat([torch.zeros(3, count).to(width), cloud.amplitude / unit, width])
    least, most = (
        np.repeat([-FARTHEST, 0.0 if nonnegative else -np.inf, narrow], [3 * count, count, count]),
        np.repeat([FARTHEST, np.inf, wide], [3 * count, count, count]),
    )
    found = minimize(
        loss,
        np.clip(start.flatten().cpu().numpy().astype(np.float64), least, most),
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(least, most),
        options={"maxcor": MEMORY, "maxfun": LOOKS, "maxiter": LOOKS, "ftol": 1e-7, "gtol": 0.0},
    )
    return unpacked(torch.from_numpy(found.x).to(cloud.position).view(5, -1))
