"""Rigid fit: search at low resolution, then the gradient at ever finer ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.point_field import thinned
from trimorph.core.rigid_refine import refine
from trimorph.core.rigid_search import Pose, alike, distinct, even_rotations, search, spacing
from trimorph.run.fit_map import FitMap

ROTATIONS = 2500
"""Turns that are tried, 18 degrees from one to the next."""

SMOOTH = 0.7
"""Resolution of the search over the radius of gyration: half a step then turns points by half a blur."""

CANDIDATES = 16, 8
"""Places that are refined in the map, and in its mirror image; half as many stay after each refinement."""

AS_GOOD = 0.005
"""Loss of correlation for which a structure stays near the place that its file gave."""

SAMPLING, LAST_SAMPLING = 6.0, 8.0
"""Voxels a resolution of the grid between whose voxels the map is read, on the way and at the end."""

_APART = 0.26, 0.5
"""Two places are distinct that differ by 15 degrees, or by half the resolution."""


@dataclass(frozen=True, eq=False)
class RigidFit:
    """The best places about the map's origin voxel, of points about ``centre``.

    ``before`` is the correlation where the points came from.
    """

    centre: NDArray[np.float64]
    best: Pose
    next_best: Pose
    mirror: Pose
    before: float


def rigid_fit(
    density: FitMap,
    position: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    resolution: float,
    progress: Callable[[int, int], None] | None = None,
) -> RigidFit:
    """Place points (n, 3) in Å with weights in a map, and in its mirror image."""
    centre = (weight[:, None] * position).sum(0) / weight.sum()
    points, weights = torch.tensor(position - centre).float(), torch.tensor(weight).float()
    radius = float((weights @ points.square().sum(1) / weights.sum()).sqrt())
    reach = float(points.norm(dim=1).max())
    coarse = max(SMOOTH * radius, resolution)
    fields = [
        density.field(coarse, margin=reach / 2 + coarse, sampling=2.5, mirrored=mirrored)
        for mirrored in (False, True)
    ]
    found = search(
        fields,
        *thinned(points, weights, cell=coarse / 2.5),
        rotations=even_rotations(ROTATIONS),
        progress=progress,
    )
    start = Pose(torch.eye(3), torch.tensor(centre - density.middle).float(), 0.0)
    near = spacing(ROTATIONS)
    kept = [
        distinct(poses, angle=1.2 * near, distance=coarse / 2, most=most)
        for poses, most in zip(found, CANDIDATES, strict=True)
    ]
    kept[0].append(start)
    steps = 1 + ceil(log2(coarse / resolution)) if coarse > resolution else 1
    before, (angle, share) = 0.0, _APART
    for number, level in enumerate(np.geomspace(coarse, resolution, steps).tolist(), start=1):
        sampling = LAST_SAMPLING if number == steps else SAMPLING
        some = thinned(points, weights, cell=level / sampling if number == steps else level / 3)
        for mirrored in (False, True):
            field = density.field(level, margin=level, sampling=sampling, mirrored=mirrored)
            if number == steps and not mirrored:
                before = float(field.correlation(some[0] + start.shift, some[1]))
            poses = refine(field, *some, kept[mirrored])
            kept[mirrored] = distinct(
                poses, angle=angle, distance=share * level, most=max(CANDIDATES[mirrored] >> number, 3)
            )
    best, *rest = kept[0]
    for pose in rest:
        near_start = alike(pose, start, angle=angle, distance=share * resolution)
        if near_start and pose.score > best.score - AS_GOOD:
            best, rest = pose, [best, *(other for other in rest if other is not pose)]
            break
    return RigidFit(
        centre=centre,
        best=best,
        next_best=rest[0] if rest else best,
        mirror=kept[1][0],
        before=before,
    )
