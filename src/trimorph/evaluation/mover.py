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

_STATIC_SHARE = 0.25
_TUBE, _REACH = 2.0, 1.5
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
    side = truth.box * truth.pixel_size
    states, middle = middle_particles(z, truth.state, shown(truth))
    maps = np.stack([volume(z[row]) for row in middle])
    body = static_part(maps)
    found = np.stack([locate_mover(density - body, motion, side=side) for density in maps])
    state_error = np.linalg.norm(found - motion.position[states], axis=1)
    rows = np.unique(np.linspace(0, len(truth) - 1, particles).astype(int))
    single = np.stack([locate_mover(volume(z[row]) - body, motion, side=side) for row in rows])
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


def static_part(maps: Float[ndarray, "m d d d"]) -> Float[ndarray, "d d d"]:
    """What stays in maps spread evenly over a motion: the lower quartile of every voxel.

    A part that covers a voxel in fewer than three quarters of the maps leaves nothing there.
    """
    return np.asarray(np.quantile(maps, _STATIC_SHARE, axis=0))


def locate_mover(difference: Float[ndarray, "d d d"], motion: Motion, *, side: float) -> Float[ndarray, " 3"]:
    """Centroid (x, y, z) in Å of the moving part in a map less what stays; ``side`` is the map's width in Å.

    Smoothed to the part's size, the map has its highest value within two radii of the path at the place to
    begin. From there on the place is the centroid of the positive density within one and a half radii of
    it, until it stays: an even background has no say in it.
    """
    box = len(difference)
    pixel_size = side / box
    axis = (np.arange(box) - box // 2) * pixel_size
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    point = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    near = cKDTree(motion.position).query(point, distance_upper_bound=_TUBE * motion.radius)[0]
    smooth = gaussian_filter(difference, motion.radius / 5**0.5 / pixel_size, mode="constant").ravel()
    place = point[np.argmax(np.where(np.isfinite(near), smooth, -np.inf))]
    density = np.maximum(difference, 0).ravel()
    kept = np.flatnonzero(density)
    point, density, tree = point[kept], density[kept], cKDTree(point[kept])
    for _ in range(_ROUNDS):
        inside = tree.query_ball_point(place, _REACH * motion.radius)
        if not inside:
            break
        moved = density[inside] @ point[inside] / density[inside].sum()
        settled, place = np.linalg.norm(moved - place) < _SETTLED, moved
        if settled:
            break
    return np.asarray(place)
