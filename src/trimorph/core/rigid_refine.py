"""Rigid refinement: the turn and shift nearby at which points correlate most with a map."""

from __future__ import annotations

from math import sqrt

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from trimorph.core.point_field import PointField
from trimorph.core.rigid_search import Pose
from trimorph.core.rotations import vector_to_matrix
from trimorph.core.voxel_grid import values_at

STEPS = 60


def refine(
    field: PointField, position: Float[Tensor, "n 3"], weight: Float[Tensor, " n"], poses: list[Pose]
) -> list[Pose]:
    """Each pose at the top of its hill, best first, by the gradient of the correlation (L-BFGS).

    Points turn about their origin, which should be their centre. A turn is counted in Å at the points' radius
    of gyration, so that all six numbers have one scale, of which a unit is half a voxel. The hills are
    climbed together: the sum of the correlations is made largest.
    """
    norm = sqrt(float(field.power(position, weight)) * field.square)
    radius = float((weight * position.square().sum(1)).sum() / weight.sum()) ** 0.5
    unit = 0.5 * field.pixel_size
    first_turn = torch.stack([pose.rotation for pose in poses]).to(position)
    first_shift = torch.stack([pose.shift for pose in poses]).to(position)

    def placed(numbers: Float[Tensor, "c 6"]) -> tuple[Float[Tensor, "c 3 3"], Float[Tensor, "c 3"]]:
        turn = vector_to_matrix(numbers[:, :3] * (unit / max(radius, unit)))
        return turn @ first_turn, first_shift + unit * numbers[:, 3:]

    def scores(turn: Float[Tensor, "c 3 3"], shift: Float[Tensor, "c 3"]) -> Float[Tensor, " c"]:
        place = position @ turn.mT + shift[:, None]
        seen = values_at(field.landscape, place.flatten(0, 1), pixel_size=field.pixel_size)
        return seen.view(len(poses), -1) @ weight / norm

    def loss(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        wanted = torch.tensor(numbers, dtype=position.dtype).view(-1, 6).requires_grad_()
        value = -scores(*placed(wanted)).sum()
        (slope,) = torch.autograd.grad(value, wanted)
        return float(value.detach()), slope.double().flatten().numpy()

    best = minimize(loss, np.zeros(6 * len(poses)), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    turn, shift = placed(torch.tensor(best.x, dtype=position.dtype).view(-1, 6))
    reached = scores(turn, shift).tolist()
    found = [Pose(*one) for one in zip(turn, shift, reached, strict=True)]
    return sorted(found, key=lambda pose: -pose.score)
