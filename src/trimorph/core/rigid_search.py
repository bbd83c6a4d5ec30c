"""Rigid search: turns and shifts of points that agree with a map, from nothing."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.core.point_field import PointField, spread_points
from trimorph.core.rotations import rotation_angle

AT_ONCE = 16
"""Rotations whose transforms are taken together."""


class Pose(NamedTuple):
    """x -> rotation x + shift in Å, with the correlation it reaches."""

    rotation: Float[Tensor, "3 3"]
    shift: Float[Tensor, " 3"]
    score: float


def even_rotations(count: int) -> Float[Tensor, "b 3 3"]:
    """Rotations spread evenly over SO(3), the same each time.

    Source: Alexa, CVPR (2022) 8291, super-Fibonacci spirals.

    >>> angles = rotation_angle(even_rotations(500)[0] @ even_rotations(500)[1:].mT)
    >>> 0.3 < float(angles.min()) < 0.7
    True
    """
    s = torch.arange(count, dtype=torch.float64) + 0.5
    inner, outer = (s / count).sqrt(), (1 - s / count).sqrt()
    first, second = 2 * pi * s / sqrt(2), 2 * pi * s / 1.533751168755204288118041413
    x, y, z, w = inner * first.sin(), inner * first.cos(), outer * second.sin(), outer * second.cos()
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def spacing(count: int) -> float:
    """Angle in radians between neighbours among ``count`` even rotations: (8 pi^2 / count)^(1/3)."""
    return float((8 * pi**2 / count) ** (1 / 3))


def search(
    fields: list[PointField],
    position: Float[Tensor, "n 3"],
    weight: Float[Tensor, " n"],
    *,
    rotations: Float[Tensor, "b 3 3"],
    progress: Callable[[int, int], None] | None = None,
) -> list[list[Pose]]:
    """The best shift for every rotation of points about their origin, for each of several maps on one grid.

    A product of transforms gives the correlation at every shift by whole voxels. Poses come best first.
    """
    box, voxel = len(fields[0].landscape), fields[0].pixel_size
    targets = torch.stack([field.spectrum * field.fall for field in fields])
    norms = [sqrt(float(field.power(position, weight)) * field.square) for field in fields]
    best, where = [], []
    for start in range(0, len(rotations), AT_ONCE):
        turned = position @ rotations[start : start + AT_ONCE].to(position).mT
        spectrum = torch.fft.rfftn(spread_points(turned / voxel, weight, box), dim=(1, 2, 3))
        # the map's origin is its voxel box // 2, the points' is voxel 0
        scores = torch.fft.irfftn(targets[:, None] * spectrum.conj(), s=(box,) * 3, dim=(2, 3, 4))
        value, index = scores.flatten(2).max(-1)
        best.append(value)
        where.append(index)
        if progress is not None:
            progress(min(start + AT_ONCE, len(rotations)), len(rotations))
    value, index = torch.cat(best, 1), torch.cat(where, 1)
    return [
        _poses(rotations.to(position), value[i] / norms[i], index[i], box=box, voxel=voxel)
        for i in range(len(fields))
    ]


def _poses(
    rotations: Float[Tensor, "b 3 3"],
    score: Float[Tensor, " b"],
    index: Int[Tensor, " b"],
    *,
    box: int,
    voxel: float,
) -> list[Pose]:
    place = torch.stack([index % box, index // box % box, index // box**2], -1)
    shift = (place - box // 2).to(rotations) * voxel
    order = score.argsort(descending=True).tolist()
    return [Pose(rotations[i], shift[i], float(score[i])) for i in order]


def distinct(poses: list[Pose], *, angle: float, distance: float, most: int) -> list[Pose]:
    """The best poses of a sorted list of which no two differ by less than both an angle and a distance."""
    kept: list[Pose] = []
    for pose in poses:
        if len(kept) == most:
            break
        if not any(alike(pose, other, angle=angle, distance=distance) for other in kept):
            kept.append(pose)
    return kept


def alike(one: Pose, other: Pose, *, angle: float, distance: float) -> bool:
    """Whether two poses differ by less than an angle in radians and a distance in Å."""
    turn = float(rotation_angle(one.rotation @ other.rotation.mT))
    return turn < angle and float((one.shift - other.shift).norm()) < distance
