"""Springs of a network against all distances, and parts that lie apart become one body."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimorph.core.elastic_network import elastic_edges, joined_edges, parts_of
from trimorph.core.errors import InputError


def cloud(count: int, *, side: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return side * torch.rand(count, 3, generator=generator, dtype=torch.float64)


def test_edges_are_those_of_all_distances() -> None:
    position = cloud(80, side=40.0, seed=0)
    near = (torch.cdist(position, position) <= 12.0).triu(1)
    assert elastic_edges(position, 12.0).tolist() == near.nonzero().tolist()


def test_two_kinds_meet_at_the_mean_of_their_reaches() -> None:
    position = cloud(80, side=40.0, seed=1)
    reach = torch.where(torch.arange(80) < 40, 12.0, 15.0).double()
    near = (torch.cdist(position, position) <= 0.5 * (reach[:, None] + reach)).triu(1)
    assert elastic_edges(position, reach).tolist() == near.nonzero().tolist()


def test_parts_that_lie_apart_are_joined_and_the_rest_is_as_it_was() -> None:
    position = torch.cat([cloud(40, side=20.0, seed=2), cloud(30, side=20.0, seed=3) + 60.0])
    edges = elastic_edges(position, 15.0)
    assert parts_of(edges.numpy(), 70).max() == 1
    joined = joined_edges(position, edges)
    assert parts_of(joined.numpy(), 70).max() == 0
    before, after = ({tuple(pair) for pair in some.tolist()} for some in (edges, joined))
    assert before < after
    assert all(i < 40 <= j for i, j in after - before)
    apart = torch.cdist(position[:40], position[40:])
    assert len(after - before) == int((apart <= apart.min() + 8).sum())
    assert joined_edges(position, joined).tolist() == joined.tolist()


def test_a_loose_end_is_held_by_its_six_nearest() -> None:
    position = torch.cat([cloud(30, side=15.0, seed=4), torch.tensor([[29.0, 7.0, 7.0]]).double()])
    edges = elastic_edges(position, 15.0)
    count = np.bincount(edges.flatten(), minlength=31)
    assert count[30] < 6
    joined = joined_edges(position, edges)
    near = torch.cdist(position[30:], position)[0].argsort()[1:7]
    assert set(near.tolist()) <= {int(i) for i, j in joined.tolist() if j == 30}


def test_two_points_make_no_network() -> None:
    with pytest.raises(InputError, match="Found 2 points for an elastic network; wanted 3 or more"):
        joined_edges(torch.eye(2, 3), torch.tensor([[0, 1]]))
