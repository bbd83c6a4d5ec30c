"""Local turns: rigid motions, bent ones, and places where a turn cannot be seen."""

from __future__ import annotations

import torch

from trimorph.core.elastic_network import elastic_edges
from trimorph.core.local_turns import local_turns

POSITION = 30 * torch.rand(120, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_of_rigid_motions_it_is_their_own_turn() -> None:
    turn = torch.tensor([[0.1, -0.2, 0.3], [0.0, 0.0, 1.0]]).double()
    moved = torch.linalg.cross(turn[:, None].expand(-1, 120, -1), POSITION.expand(2, -1, -1)) + 5.0
    found = local_turns(moved, POSITION, elastic_edges(POSITION, 10.0))
    torch.testing.assert_close(found, turn[:, None].expand(-1, 120, -1), rtol=1e-6, atol=1e-7)


def test_of_a_bend_it_is_half_the_curl() -> None:
    """u = (0, 0, x^2): the curl is (0, -2 x, 0), of which half is the turn; what is sheared stays out."""
    grid = torch.stack(torch.meshgrid(*[torch.arange(7.0)] * 3, indexing="ij"), -1).view(-1, 3)
    moved = torch.stack([0 * grid[:, 0], 0 * grid[:, 0], grid[:, 0] ** 2], -1)
    found = local_turns(moved[None], grid, elastic_edges(grid, 1.5))[0]
    inner = ((grid > 0) & (grid < 6)).all(1)
    expected = torch.stack([0 * grid[:, 0], -grid[:, 0], 0 * grid[:, 0]], -1)
    torch.testing.assert_close(found[inner], expected[inner], rtol=1e-5, atol=1e-5)


def test_what_cannot_be_seen_is_zero() -> None:
    """Along a line no turn about it is seen; a point without neighbours does not turn."""
    line = torch.tensor([[0.0, 0, 0], [3, 0, 0], [6, 0, 0], [50, 0, 0]])
    turn = torch.tensor([0.4, 0.2, 0.0]).expand(4, 3)
    found = local_turns(torch.linalg.cross(turn, line)[None], line, elastic_edges(line, 4.0))[0]
    expected = torch.tensor([[0, 0.2, 0], [0, 0.2, 0], [0, 0.2, 0], [0, 0, 0]])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
