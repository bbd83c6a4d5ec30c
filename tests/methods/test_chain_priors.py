"""Costs of broken chains and of clashes: known values, nothing for the start, and finite gradients."""

from __future__ import annotations

import pytest
import torch

from trimorph.methods.chain_priors import clash_costs, clashes, close_pairs, discontinuity

CHAIN = torch.tensor([[0.0, 0, 0], [4, 0, 0], [8, 0, 0], [12, 0, 0]])


def test_nothing_clashes_and_costs_zero() -> None:
    moved = CHAIN.expand(3, -1, -1).clone().requires_grad_()
    cost = clashes(moved, CHAIN)
    assert cost.tolist() == [0.0, 0.0, 0.0]
    cost.sum().backward()
    assert moved.grad is None or bool((moved.grad == 0).all())


@pytest.mark.parametrize(
    ("apart", "cost"),
    [(4.31, 0.0), (4.2, 0.5 * 0.1**2), (4.1, 0.5 * 0.2**2), (4.0, 0.5 * 0.25**2 + 0.25 * 0.05),
     (3.0, 0.5 * 0.25**2 + 0.25 * 1.05)],
)  # fmt: skip
def test_a_clash_costs_the_square_of_its_depth_and_then_its_depth(apart: float, cost: float) -> None:
    """From 4.3 Å on, which no pair that is counted as a clash has."""
    moved = CHAIN.expand(2, -1, -1).clone()
    moved[1, 3] = torch.tensor([0.0, apart, 0.0])  # so far from the first, more than 5 Å from the second
    assert clashes(moved, CHAIN).tolist() == [0.0, pytest.approx(cost / 0.35**2, rel=1e-4)]


def test_a_cost_may_be_quadratic_at_any_depth() -> None:
    pairs, apart = torch.tensor([[0, 3]]), torch.tensor([1.3])
    assert clash_costs(apart, CHAIN, pairs, deep=torch.inf).tolist() == pytest.approx([0.5 * 3**2 / 0.35**2])


@pytest.mark.parametrize("apart", [3.0, 4.1])
def test_residues_that_are_near_at_the_start_may_be_as_near(apart: float) -> None:
    start = CHAIN.clone()
    start[3] = torch.tensor([0.0, apart, 0.0])
    assert clashes(start[None], start).tolist() == [0.0]
    nearer = start.clone()
    nearer[3, 1] -= 0.2
    assert clashes(nearer[None], start).tolist() == [pytest.approx(0.5 * 0.2**2 / 0.35**2, rel=1e-4)]


def test_close_pairs_are_those_of_all_distances() -> None:
    position = 8 * torch.rand(3, 40, 3, generator=torch.Generator().manual_seed(0))
    structure, pairs = close_pairs(position)
    found = {(int(s), *pair) for s, pair in zip(structure, pairs.tolist(), strict=True)}
    near = torch.cdist(position, position) <= 4.0
    expected = {(s, i, j) for s, i, j in near.nonzero().tolist() if j - i > 1}
    assert found == expected


def test_pairs_are_found_as_far_as_they_are_asked_for() -> None:
    corners = torch.tensor([[[0.0, 0, 0], [9, 0, 0], [4.2, 0, 0]]]).expand(2, -1, -1)
    assert len(close_pairs(corners)[0]) == 0
    assert close_pairs(corners, reach=4.3)[1].tolist() == [[0, 2], [0, 2]]


def test_links_cost_the_square_of_their_change() -> None:
    links = torch.tensor([[0, 1], [1, 2], [2, 3]])
    moved = torch.stack([CHAIN, CHAIN + torch.tensor([[0.0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0]])])
    assert discontinuity(moved, CHAIN, links).tolist() == pytest.approx([0.0, 2.0], abs=1e-5)


def test_gradients_are_those_of_finite_differences() -> None:
    position = CHAIN[None].double().clone()
    position[0, 3] = torch.tensor([0.5, 3.0, 0.3])
    neutral = CHAIN.double()
    assert torch.autograd.gradcheck(lambda x: clashes(x, neutral), position.requires_grad_())
    links = torch.tensor([[0, 1], [1, 2], [2, 3]])
    assert torch.autograd.gradcheck(lambda x: discontinuity(x, neutral, links), position)
