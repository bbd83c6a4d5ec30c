"""Where a density gets Gaussians: at first, where a fit has left something over, and where none moves yet.

Letters: n points of a side of a target's grid, m points in all, g Gaussians of a cloud, s seeds.
"""

from __future__ import annotations

from math import pi

import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from trimorph.core.gaussians import Gaussians

NEGLIGIBLE = 0.01
"""Share of the median amplitude below which a Gaussian is given up."""

WIDE = 0.5
"""Width over the resolution above which a Gaussian is split: at the limit its wave has fallen below 1 %."""

SETTLING = 8
"""Rounds in which the first Gaussians share out the density among them."""


EMPTY = 1e-30
"""Mass below which there is none."""


def place_cloud(place: Float[Tensor, "m 3"], mass: Float[Tensor, " m"], count: int) -> Gaussians:
    """A cloud (v = 1) of ``count`` Gaussians that share out masses (> 0) at places (Å).

    They start where mass x squared distance to those before is largest, so that none of several parts is
    left out. Then each takes what is nearer to it than to the others, and stands at its centroid with its
    mass and its spread (Lloyd's algorithm).
    """
    chosen = [int(mass.argmax())]
    distance = torch.full_like(mass, torch.inf)
    for _ in range(min(count, len(mass)) - 1):
        distance = torch.minimum(distance, (place - place[chosen[-1]]).square().sum(1))
        chosen.append(int((mass * distance).argmax()))
    centre = place[chosen]
    for _ in range(SETTLING):
        cell = nearest(place, centre)
        total = _sum(mass, cell, len(centre)).clamp_min(EMPTY)
        moment = torch.stack([_sum(mass * axis, cell, len(centre)) for axis in place.unbind(1)], dim=1)
        centre = torch.where(total[:, None] > EMPTY, moment / total[:, None], centre)
    cell = nearest(place, centre)
    total = _sum(mass, cell, len(centre)).clamp_min(EMPTY)
    variance = _sum(mass * (place - centre[cell]).square().sum(1) / 3, cell, len(centre)) / total
    return Gaussians(centre[None], total[None], variance.sqrt()[None])


def prune(cloud: Gaussians) -> Gaussians:
    """The cloud (v = 1) without those of negligible amplitude."""
    size = cloud.amplitude[0].abs()
    keep = size > NEGLIGIBLE * size.median()
    return Gaussians(cloud.position[:, keep], cloud.amplitude[:, keep], cloud.width[:, keep])


def grow(
    cloud: Gaussians,
    count: int,
    *,
    place: Float[Tensor, "m 3"],
    residual: Float[Tensor, " m"],
    resolution: float,
    generator: torch.Generator,
) -> Gaussians:
    """The cloud (v = 1) with ``count`` more: its widest are split, the rest is seeded where it falls short.

    Up to half of the new ones come of Gaussians wider than WIDE x resolution, the heaviest first. Seeds are
    peaks of the residual density, positive or negative, a little less than resolution / 2 apart; where there
    are too few peaks, the heaviest Gaussians are split.
    """
    if count <= 0:
        return cloud
    wide = (cloud.width[0] > WIDE * resolution).nonzero().flatten()
    wide = wide[cloud.amplitude[0, wide].abs().argsort(descending=True)][: count // 2]
    cloud = split(cloud, wide, by=0.7, generator=generator)
    seed = uncrowded(place, residual.abs(), spacing=0.4 * resolution, most=count - len(wide))
    width = torch.full((len(seed),), 0.25 * resolution).to(place)
    # a peak of the low-passed residual is about as wide as the resolution allows; half, as others share it
    amplitude = 0.5 * residual[seed] * (2 * pi * (0.3 * resolution) ** 2) ** 1.5
    cloud = Gaussians(
        torch.cat([cloud.position, place[seed][None]], 1),
        torch.cat([cloud.amplitude, amplitude[None]], 1),
        torch.cat([cloud.width, width[None]], 1),
    )
    missing = count - len(wide) - len(seed)
    while missing > 0:
        heaviest = cloud.amplitude[0].abs().argsort(descending=True)[:missing]
        cloud = split(cloud, heaviest, by=0.7, generator=generator)
        missing -= len(heaviest)
    return cloud


def split(cloud: Gaussians, rows: Int[Tensor, " s"], *, by: float, generator: torch.Generator) -> Gaussians:
    """The cloud (v = 1) with some Gaussians made two of half the amplitude; the second halves come last.

    They stand ``by`` widths to either side along a random direction, and are narrower, so that mass, centre
    and mean square radius stay: width' = width sqrt(1 - by^2 / 3).
    """
    direction = torch.randn(len(rows), 3, generator=generator).to(cloud.position)
    direction = torch.nn.functional.normalize(direction, dim=1)
    width = cloud.width[0, rows]
    step = by * width[:, None] * direction
    halves = [cloud.position[0, rows] + step, cloud.position[0, rows] - step]
    position, amplitude, widths = (
        cloud.position[0].clone(),
        cloud.amplitude[0].clone(),
        cloud.width[0].clone(),
    )
    position[rows], amplitude[rows] = halves[0], 0.5 * amplitude[rows]
    widths[rows] = width * (1 - by**2 / 3) ** 0.5
    return Gaussians(
        torch.cat([position, halves[1]])[None],
        torch.cat([amplitude, amplitude[rows]])[None],
        torch.cat([widths, widths[rows]])[None],
    )


def uncrowded(
    place: Float[Tensor, "m 3"], weight: Float[Tensor, " m"], *, spacing: float, most: int
) -> Int[Tensor, " s"]:
    """Numbers of the heaviest places of weight > 0, none nearer than ``spacing`` to one chosen before."""
    order = weight.argsort(descending=True)[: int((weight > 0).sum())].cpu().numpy()
    points = place.cpu().numpy().astype("float64")
    tree = cKDTree(points)
    free = torch.ones(len(points), dtype=torch.bool).numpy()
    chosen: list[int] = []
    for number in order:
        if len(chosen) >= most:
            break
        if free[number]:
            chosen.append(int(number))
            free[tree.query_ball_point(points[number], spacing * (1 - 1e-6))] = False
    return torch.tensor(chosen, dtype=torch.long, device=place.device)


def nearest(place: Float[Tensor, "m 3"], centre: Float[Tensor, "g 3"]) -> Int[Tensor, " m"]:
    """Number of the centre nearest to each place."""
    _, number = cKDTree(centre.cpu().numpy()).query(place.cpu().numpy())
    return torch.as_tensor(number, dtype=torch.long, device=place.device)


def _sum(values: Float[Tensor, " m"], cell: Int[Tensor, " m"], cells: int) -> Float[Tensor, " g"]:
    return values.new_zeros(cells).index_add_(0, cell, values)
