"""Flexible fit: a structure that lies in a map is bent along its softest modes to where it fits better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, log2, sqrt

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from trimorph.core.elastic_bends import NEAR, Bends
from trimorph.core.elastic_network import elastic_edges, joined_edges
from trimorph.core.local_turns import local_turns
from trimorph.core.point_band import independent_values
from trimorph.core.point_field import FINEST, PointField
from trimorph.core.rigid_blend import blended_displacement, turn_quaternion
from trimorph.run.fit_map import FitMap
from trimorph.run.kept_geometry import KeptGeometry

COARSE = 16.0
"""Resolution in Å at which bending begins, or twice the last one."""

ROUNDS, SETTLED = 6, 1e-3
"""Most rounds at a resolution, each with modes of its own, and the least gain in correlation of one."""

SURE = 3.0
"""Standard deviations by which bending must gain more than it would by fitting noise."""

STIFF = 0.02
"""Loss of correlation that a strain of one is worth."""

SAMPLING = 5.0
"""Voxels a resolution of the grid between whose voxels the map is read."""

STEPS = 30


@dataclass(frozen=True, eq=False)
class Body:
    """A structure: one node a residue, and points that go along, each with the node of its residue."""

    node: Float[Tensor, "g 3"]
    point: Float[Tensor, "n 3"]
    owner: Int[Tensor, " n"]

    def moved(self, turn: Float[Tensor, "g 3"], shift: Float[Tensor, "g 3"]) -> Body:
        """Nodes shifted (Å), and the surroundings of each turned about it (radians)."""
        quaternion = turn_quaternion(turn).mT[None, :, self.owner]
        arm = (self.point - self.node[self.owner]).mT
        change = blended_displacement(quaternion, shift.mT[None, :, self.owner], arm)[0]
        return replace(self, node=self.node + shift, point=self.point + change)


def flexible_fit(
    density: FitMap,
    body: Body,
    weight: Float[Tensor, " m"],
    geometry: KeptGeometry,
    *,
    modes: int,
    resolution: float,
    progress: Callable[[int, int], None] | None = None,
) -> Body:
    """The body where its first ``m`` points, with weights, correlate most with the map.

    Positions in Å from the map's origin voxel. At twice the resolution and then at it, the amplitudes of the
    softest modes and of the six motions of the whole climb the gradient of the correlation, less the strain
    of the chains; distances in the chains are put back, and modes taken anew, until a round gains less than
    SETTLED, which is undone. So is everything, where in the end it gained no more than noise would give.
    Errors: those of :func:`elastic_modes`.
    """
    first = max(COARSE, 2 * resolution)
    levels = np.geomspace(first, resolution, 1 + ceil(log2(first / resolution) - 1e-9)).tolist()
    start, rounds, total = body, 0, len(levels) * ROUNDS
    for number, level in enumerate(levels):
        field = density.field(level, margin=level, sampling=SAMPLING, mirrored=False)
        reached = float(field.correlation(body.point[: len(weight)], weight))
        for turn in range(ROUNDS):
            if progress is not None:
                progress(number * ROUNDS + turn, total)
            tried = _restored(_bent(field, body, weight, geometry, modes=modes), geometry)
            score = float(field.correlation(tried.point[: len(weight)], weight))
            if score - reached < SETTLED:
                break
            body, reached, rounds = tried, score, rounds + 1
    before = float(field.correlation(start.point[: len(weight)], weight))
    values = independent_values(density.cube, density.pixel_size, finest=FINEST / resolution)
    if progress is not None:
        progress(total, total)
    enough = reached - before > gain_of_noise(before, rounds * (modes + 6), values=values)
    return body if enough else start


def gain_of_noise(correlation: float, numbers: int, *, values: float) -> float:
    """What a correlation c gains at most where p ``numbers`` are fitted to noise.

    Of n independent ``values`` that the fit does not explain, each number explains one by chance: c^2 grows
    by (1 - c^2) / n times a chi-square of p degrees, which is p with the standard deviation sqrt(2 p).

    >>> round(gain_of_noise(0.5, 16, values=1000.0), 3)
    0.024
    """
    chance = (numbers + SURE * sqrt(2 * numbers)) / values
    square = correlation**2
    return sqrt(square + max(1 - square, 0.0) * chance) - abs(correlation)


def _bent(
    field: PointField, body: Body, weight: Float[Tensor, " m"], geometry: KeptGeometry, *, modes: int
) -> Body:
    """The body at the amplitudes nearby that make correlation less strain largest."""
    bends = Bends.of(body.node, modes, whole=True)
    seen = replace(body, point=body.point[: len(weight)], owner=body.owner[: len(weight)])

    def cost(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        amplitude = torch.tensor(numbers, dtype=body.node.dtype).requires_grad_()
        turn, shift = bends.at(amplitude[None])
        moved = seen.moved(turn[0], shift[0])
        value = STIFF * geometry.strain(moved.node) - field.correlation(moved.point, weight)
        (slope,) = torch.autograd.grad(value, amplitude)
        return float(value.detach()), slope.double().numpy()

    start = np.zeros(len(bends.slide))
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": 1e-6})
    turn, shift = bends.at(torch.tensor(found.x[None], dtype=body.node.dtype))
    return body.moved(turn[0], shift[0])


def _restored(body: Body, geometry: KeptGeometry) -> Body:
    """The body with the distances in its chains put back, surroundings turning as their neighbours move."""
    shift = geometry.restored(body.node) - body.node
    near = joined_edges(body.node, elastic_edges(body.node, NEAR))
    return body.moved(local_turns(shift[None], body.node, near)[0], shift)
