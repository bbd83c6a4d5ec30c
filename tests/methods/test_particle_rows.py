"""Rows of parameters by particle: sharding, sparse gradients, particles that are not seen."""

from __future__ import annotations

import pytest
import torch

from trimorph.methods.particle_rows import ParticleRows


def _numbered(count: int, dim: int = 2) -> ParticleRows:
    rows = ParticleRows(count, dim)
    with torch.no_grad():
        rows.weight.copy_(torch.arange(count)[:, None].expand(-1, dim))
    return rows


def test_zero_at_the_start() -> None:
    assert torch.equal(ParticleRows(5, 3)(torch.tensor([4, 0])), torch.zeros(2, 3))


def test_row_of_each_particle() -> None:
    index = torch.tensor([3, 0, 3, 6])
    assert _numbered(7)(index)[:, 1].tolist() == [3.0, 0.0, 3.0, 6.0]


@pytest.mark.parametrize("count", [7, 9, 10])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_a_process_finds_the_rows_of_its_own_particles(count: int, world: int) -> None:
    held = 0
    for rank in range(world):
        rows = _numbered(count)
        rows.shard(rank, world)
        own = torch.arange(rank, count, world)
        assert rows(own)[:, 0].tolist() == own.tolist()
        assert len(rows.weight) == len(own)
        assert rows.count == count
        held += len(rows.weight)
    assert held == count


def test_gradient_is_sparse_and_only_of_the_rows_seen() -> None:
    rows = _numbered(6)
    (rows(torch.tensor([4, 1, 4])) * torch.tensor([[1.0], [2.0], [5.0]])).sum().backward()
    gradient = rows.weight.grad
    assert gradient is not None
    assert gradient.is_sparse
    assert gradient.to_dense()[:, 0].tolist() == [0.0, 2.0, 0.0, 0.0, 6.0, 0.0]
    assert sorted(gradient.coalesce().indices().flatten().tolist()) == [1, 4]


def test_particle_that_is_not_seen_does_not_move() -> None:
    """Not even by the momentum of steps in which it was seen."""
    rows = _numbered(5)
    optimiser = torch.optim.SparseAdam(rows.parameters(), lr=0.1)
    for seen in ([0, 1], [1, 2], [1]):
        before = rows.weight.detach().clone()
        optimiser.zero_grad()
        rows(torch.tensor(seen)).square().sum().backward()
        optimiser.step()
        moved = (rows.weight != before).any(1).nonzero().flatten().tolist()
        assert moved == [particle for particle in seen if particle != 0]  # row 0 is at its minimum
