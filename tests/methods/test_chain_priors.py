"""Costs of broken chains and of clashes: known values, nothing for the start, and finite gradients."""

from __future__ import annotations

import pytest
import torch

from trimorph.methods.chain_priors import clashes, close_pairs, discontinuity

CHAIN = torch.tensor([[0.0, 0, 0], [4, 0, 0], [8, 0, 0], [12, 0, 0]])


def test_nothing_clashes_and_costs_zero() -> None:
    moved = CHAIN.expand(3, -1, -1).clone().requires_grad_()
    cost = clashes(moved, CHAIN)
    assert cost.tolist() == [0.0, 0.0, 0.0]
    cost.sum().backward()
    assert moved.grad is None or bool((moved.grad == 0).all())


def test_a_clash_costs_the_square_of_its_depth() -> None:
    moved = CHAIN.expand(2, -1, -1).clone()
    moved[1, 3] = torch.tensor([0.0, 3.0, 0.0])  # 3 Å from the first, 5 from the second
    assert clashes(moved, CHAIN).tolist() == [0.0, pytest.approx(0.5 * (1.0 / 0.5) ** 2)]


def test_residues_that_touch_at_the_start_may_go_on() -> None:
    start = CHAIN.clone()
    start[3] = torch.tensor([0.0, 3.0, 0.0])
    assert clashes(start[None], start).tolist() == [0.0]


def test_close_pairs_are_those_of_all_distances() -> None:
    position = 8 * torch.rand(3, 40, 3, generator=torch.Generator().manual_seed(0))
    structure, pairs = close_pairs(position)
    found = {(int(s), *pair) for s, pair in zip(structure, pairs.tolist(), strict=True)}
    near = torch.cdist(position, position) <= 4.0
    expected = {(s, i, j) for s, i, j in near.nonzero().tolist() if j - i > 1}
    assert found == expected


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
