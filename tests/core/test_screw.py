"""Screw motions, against rotation matrices and the matrix exponential."""

from __future__ import annotations

import torch

from trimorph.core.rotations import vector_to_matrix
from trimorph.core.screw import screw_displacement


def _twists(scale: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    turn, slide, place = torch.randn(3, 7, 3, generator=generator, dtype=torch.float64)
    return scale * turn, slide, place


def test_it_is_the_matrix_exponential() -> None:
    for scale in (1e-6, 1e-2, 1.0, 3.0):
        turn, slide, place = _twists(scale)
        matrix = torch.zeros(7, 4, 4, dtype=torch.float64)
        for axis, unit in enumerate(torch.eye(3, dtype=torch.float64)):
            matrix[:, :3, axis] = torch.linalg.cross(turn, unit.expand_as(turn))
        matrix[:, :3, 3] = slide
        moved = (torch.matrix_exp(matrix) @ torch.cat([place, torch.ones(7, 1)], 1)[..., None])[:, :3, 0]
        torch.testing.assert_close(place + screw_displacement(turn, slide, place), moved, rtol=0, atol=1e-8)


def test_a_turn_about_a_far_axis_keeps_the_distance_to_it() -> None:
    turn, pivot, place = _twists(1.0)
    slide = torch.linalg.cross(pivot, turn)
    expected = pivot + (vector_to_matrix(turn) @ (place - pivot)[..., None])[..., 0]
    torch.testing.assert_close(place + screw_displacement(turn, slide, place), expected)


def test_gradients_at_rest_and_in_motion() -> None:
    for scale in (0.0, 0.3):
        given = [value.requires_grad_() for value in _twists(scale)]
        assert torch.autograd.gradcheck(screw_displacement, given)
