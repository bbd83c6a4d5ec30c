"""Blended rigid motions against projections by singular values, and their gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trimorph.core.rigid_blend import blended_displacement, turn_quaternion
from trimorph.core.rotations import rotation_angle, vector_to_matrix


def turns(count: int, *, largest: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    way = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    size = largest * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    return size * way / way.norm(dim=1, keepdim=True)


def matrix(quaternion: Tensor) -> Tensor:
    """Rotation matrices (b, 3, 3) of mean quaternions (b, 4) by what they do to the axes."""
    each = quaternion[:, :, None].expand(-1, -1, 3)
    still = torch.zeros(len(quaternion), 3, 3, dtype=quaternion.dtype)
    axes = torch.eye(3, dtype=quaternion.dtype)
    return (axes + blended_displacement(each, still, axes)).mT


def projected(mean: Tensor) -> Tensor:
    """The rotation nearest to a matrix."""
    left, _, right = torch.linalg.svd(mean)
    sign = torch.ones_like(mean[:, 0])
    sign[:, 2] = torch.det(left @ right)
    return left * sign[:, None] @ right


@pytest.mark.parametrize("largest", [1e-9, 1e-2, 1.0, 3.1])
def test_one_body_is_its_own_rotation(largest: float) -> None:
    turn = turns(50, largest=largest)
    torch.testing.assert_close(matrix(turn_quaternion(turn)), vector_to_matrix(turn), rtol=0, atol=1e-12)


def test_a_turn_beyond_half_a_circle_is_one_the_other_way() -> None:
    turn = torch.tensor([[0.0, 0.0, 1.5 * torch.pi]])
    assert float(turn_quaternion(turn)[0, 0]) > 0
    torch.testing.assert_close(matrix(turn_quaternion(turn)), vector_to_matrix(turn), rtol=0, atol=1e-5)


def test_two_bodies_alike_blend_to_the_projection_of_their_mean_matrix() -> None:
    first, second = turns(40, largest=1.5, seed=1), turns(40, largest=1.5, seed=2)
    mean = 0.5 * (vector_to_matrix(first) + vector_to_matrix(second))
    blended = matrix(0.5 * (turn_quaternion(first) + turn_quaternion(second)))
    torch.testing.assert_close(blended, projected(mean), rtol=0, atol=1e-12)


@pytest.mark.parametrize("angle", [0.1, 0.2, 0.4])
def test_other_weights_differ_from_that_projection_in_third_order(angle: float) -> None:
    weight = torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64)
    bodies = [turns(200, largest=1.0, seed=seed) * angle for seed in (1, 2, 3)]
    mean = sum(w * vector_to_matrix(turn) for w, turn in zip(weight, bodies, strict=True))
    blended = matrix(sum(w * turn_quaternion(turn) for w, turn in zip(weight, bodies, strict=True)))
    assert float(rotation_angle(blended @ projected(mean).mT).max()) < 0.1 * angle**3


def test_a_blend_keeps_distances_and_has_no_order() -> None:
    bodies = torch.stack([turn_quaternion(turns(9, largest=2.0, seed=seed)) for seed in range(4)])
    weight = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    found = matrix(torch.einsum("m,mbq->bq", weight, bodies))
    torch.testing.assert_close(found @ found.mT, torch.eye(3).to(found).expand(9, -1, -1), rtol=0, atol=1e-12)
    assert float(torch.det(found).min()) > 0.99
    back = matrix(torch.einsum("m,mbq->bq", weight.flip(0), bodies.flip(0)))
    torch.testing.assert_close(found, back, rtol=0, atol=1e-14)


def test_no_motion_is_exactly_none() -> None:
    still = turn_quaternion(torch.zeros(1, 3))[:, :, None].expand(-1, -1, 5)
    assert float(blended_displacement(still, torch.zeros(1, 3, 5), torch.randn(3, 5)).abs().max()) == 0.0


@pytest.mark.parametrize("size", [0.0, 1e-3, 0.7])
def test_gradients_are_those_of_finite_differences(size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    turn = (size * torch.randn(2, 3, generator=generator, dtype=torch.float64)).requires_grad_()
    slide = torch.randn(1, 3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    arm = torch.randn(3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    share = torch.rand(4, 2, generator=generator, dtype=torch.float64).requires_grad_()

    def moved(turn: Tensor, share: Tensor, slide: Tensor, arm: Tensor) -> Tensor:
        mean = (share @ turn_quaternion(turn)).mT[None]
        return blended_displacement(mean, slide, arm)

    assert torch.autograd.gradcheck(moved, (turn, share, slide, arm))
