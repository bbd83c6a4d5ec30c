"""Where the moving part is in decoded maps, against where it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from trimorph.data.motion import Motion
from trimorph.data.truth import Truth
from trimorph.evaluation.straight import slope_bias
from trimorph.evaluation.views import motion_of, shown

Decoder = Callable[[Float[ndarray, " d"]], Float[ndarray, "box box box"]]

_STATIC_SHARE = 0.1
_TUBE, _REACH, _MARGIN = 2.0, 1.5, 4.0
_ROUNDS, _SETTLED = 100, 1e-3


@dataclass(frozen=True)
class MoverScores:
    """Distance in Å between the moving part in decoded maps and in truth.

    ``state_error`` is the median over the states and ``worst_state_error`` the largest, each state decoded
    once, at the latent of its middle particle (:func:`middle_particles`): they ask whether the decoder knows
    the motion. ``error`` is the median over single particles, each decoded at its own latent, and
    ``slope_bias`` that of their places along a line (None for a circle): they ask whether the encoder does.
    """

    state_error: float
    worst_state_error: float
    error: float
    slope_bias: float | None


def score_mover(
    z: Float[ndarray, "n d"], volume: Decoder, truth: Truth, *, particles: int = 60
) -> MoverScores:
    """Find the moving part in maps decoded at the states' middle latents and at those of some particles.

    Maps are those of the truth's field of view, of any number of voxels, protein bright, any scale but the
    same for all. ``particles`` are spread evenly over the data.
    """
    motion = motion_of(truth)
    states, middle = middle_particles(z, truth.state, shown(truth))
    first = volume(z[middle[0]])
    region = Region.around(motion, box=len(first), side=truth.box * truth.pixel_size)
    maps = np.stack([region.cut(first), *(region.cut(volume(z[row])) for row in middle[1:])])
    body = static_part(maps)
    found = np.stack([locate_mover(density - body, region) for density in maps])
    state_error = np.linalg.norm(found - motion.position[states], axis=1)
    rows = np.unique(np.linspace(0, len(truth) - 1, particles).astype(int))
    single = np.stack([locate_mover(region.cut(volume(z[row])) - body, region) for row in rows])
    error = np.linalg.norm(single - motion.position[truth.state[rows]], axis=1)
    bias = None if motion.circular else slope_bias(motion.coordinate_of(single), truth.coordinate[rows])
    return MoverScores(
        state_error=float(np.median(state_error)),
        worst_state_error=float(state_error.max()),
        error=float(np.median(error)),
        slope_bias=bias,
    )


def middle_particles(
    z: Float[ndarray, "n d"], state: Int[ndarray, " n"], shown: Bool[ndarray, " n"]
) -> tuple[Int[ndarray, " k"], Int[ndarray, " k"]]:
    """The states that occur, and of each the particle nearest to the median of the state's latents.

    A particle's own latent lies where the decoder was trained, which a mean of latents on a curve does not.
    Where a state has particles whose views show the motion, only those are asked. Distances are taken in
    units of each latent's standard deviation.
    """
    scaled = z / np.maximum(z.std(0), 1e-300)
    states = np.unique(state)
    middle = np.empty(len(states), np.int64)
    for number, which in enumerate(states):
        rows = np.flatnonzero((state == which) & shown)
        rows = rows if len(rows) else np.flatnonzero(state == which)
        offset = scaled[rows] - np.median(scaled[rows], axis=0)
        middle[number] = rows[np.argmin((offset**2).sum(1))]
    return states, middle


def static_part(maps: Float[ndarray, "m z y x"]) -> Float[ndarray, "z y x"]:
    """What stays in maps spread evenly over a motion: the lowest tenth's upper end, voxel by voxel.

    A part that covers a voxel in fewer than nine tenths of the maps leaves nothing there. Where decoded parts
    hardly move, their middle is taken for what stays, and the motion found is too wide.
    """
    return np.asarray(np.quantile(maps, _STATIC_SHARE, axis=0))


@dataclass(frozen=True, eq=False)
class Region:
    """The part of a map about a path: four radii of what moves on every side, so far as the map reaches.

    ``point`` (n, 3) holds its voxels' places (x, y, z) in Å, ``near`` (n,) those within two radii of the
    path, ``radius`` is that of what moves in Å and ``pixel_size`` in Å.
    """

    part: tuple[slice, slice, slice]
    point: Float[ndarray, "n 3"]
    near: Bool[ndarray, " n"]
    radius: float
    pixel_size: float

    @classmethod
    def around(cls, motion: Motion, *, box: int, side: float) -> Region:
        """The region of a motion in maps of ``box`` voxels and ``side`` Å."""
        axis = (np.arange(box) - box // 2) * side / box
        low = motion.position.min(0) - _MARGIN * motion.radius
        high = motion.position.max(0) + _MARGIN * motion.radius
        kept = [np.flatnonzero((axis >= a) & (axis <= b)) for a, b in zip(low, high, strict=True)]
        x, y, z = (axis[index] for index in kept)
        point = np.stack(np.meshgrid(z, y, x, indexing="ij"), axis=-1).reshape(-1, 3)[:, ::-1]
        distance = cKDTree(motion.position).query(point)[0]
        return cls(
            part=(_span(kept[2]), _span(kept[1]), _span(kept[0])),
            point=np.ascontiguousarray(point),
            near=np.asarray(distance <= _TUBE * motion.radius),
            radius=motion.radius,
            pixel_size=side / box,
        )

    def cut(self, density: Float[ndarray, "d d d"]) -> Float[ndarray, "z y x"]:
        """The region's voxels of a map."""
        return density[self.part]


def locate_mover(difference: Float[ndarray, "z y x"], region: Region) -> Float[ndarray, " 3"]:
    """Centroid (x, y, z) in Å of the moving part in a region of a map, less what stays there.

    Smoothed to the part's size, the map has its highest value within two radii of the path at the place to
    begin. From there on the place is the centroid of the positive density within one and a half radii of
    it, until it stays: an even background has no say in it.
    """
    width = region.radius / 5**0.5 / region.pixel_size
    smooth = gaussian_filter(np.asarray(difference, np.float64), width, mode="constant").ravel()
    place = region.point[np.argmax(np.where(region.near, smooth, -np.inf))]
    density = np.maximum(difference, 0).ravel().astype(np.float64)
    for _ in range(_ROUNDS):
        inside = ((region.point - place) ** 2).sum(1) <= (_REACH * region.radius) ** 2
        mass = density[inside].sum()
        if not mass > 0:
            break
        moved = density[inside] @ region.point[inside] / mass
        settled, place = np.linalg.norm(moved - place) < _SETTLED, moved
        if settled:
            break
    return np.asarray(place)


def _span(index: Int[ndarray, " n"]) -> slice:
    return slice(int(index[0]), int(index[-1]) + 1)
