"""Motions of a structure: first order, the whole, and one scale for all."""

from __future__ import annotations

import torch

from trimorph.core.elastic_bends import Bends
from trimorph.core.elastic_modes import elastic_modes
from trimorph.core.rotations import vector_to_matrix

CLOUD = 40 * torch.rand(80, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_to_first_order_points_move_along_the_modes() -> None:
    bends = Bends.of(CLOUD, 4)
    mode = elastic_modes(CLOUD, 4, fall=2.0).vector
    expected = mode / mode.norm(dim=-1).amax(1)[:, None, None]
    amplitude = 1e-4 * torch.eye(4).double()
    torch.testing.assert_close(bends.at(amplitude)[1] / 1e-4, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(bends.slide.norm(dim=-1).amax(1), torch.ones(4).double())


def test_the_whole_moves_rigidly_by_any_amplitude() -> None:
    bends = Bends.of(CLOUD, 2, whole=True)
    amplitude = torch.tensor([[0.0, 0, 3, -2, 5, 20, 30, -40]]).double()
    turn, shift = bends.at(amplitude)
    torch.testing.assert_close(turn[0], turn[0, :1].expand(80, -1))
    centre = CLOUD.mean(0)
    moved = CLOUD + shift[0]
    expected = (CLOUD - centre) @ vector_to_matrix(turn[0, 0]).mT + moved.mean(0)
    torch.testing.assert_close(moved, expected)
    assert float(turn[0, 0].norm()) > 1


def test_what_is_held_neither_moves_nor_turns() -> None:
    moving = torch.arange(80) % 3 > 0
    turn, shift = Bends.of(CLOUD, 3, moving=moving).at(torch.ones(2, 3).double())
    assert not bool(turn[:, ~moving].any())
    assert not bool(shift[:, ~moving].any())
    assert bool((shift[:, moving].norm(dim=-1) > 0).all())
