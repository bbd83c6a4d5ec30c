"""The cost of an elastic network: known values, hinges that open, and which residues are joined."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.made_structure import adenylate_kinase, turned
from trimorph.core.rotations import random_rotations
from trimorph.data.residues import Residues
from trimorph.methods import elastic_prior as module
from trimorph.methods.elastic_prior import elastic_cost, prior_edges

LINE = torch.tensor([[0.0, 0, 0], [4, 0, 0], [8, 0, 0]])
EDGES = torch.tensor([[0, 1], [0, 2], [1, 2]])


@pytest.fixture(scope="module")
def adk() -> Residues:
    return Residues.of(adenylate_kinase())


def hinged(angles: list[float]) -> Tensor:
    """Residues of adenylate kinase whose end is turned by angles in radians."""
    states = [Residues.of(turned(adenylate_kinase(), angle)).position for angle in angles]
    return torch.as_tensor(np.stack(states)).float()


def edges_of(adk: Residues) -> tuple[Tensor, Tensor]:
    position = torch.as_tensor(adk.position).float()
    weight = torch.as_tensor(adk.weight).float()
    return position, prior_edges(position, weight, torch.as_tensor(adk.chains))


def test_the_cost_is_half_the_square_of_each_change() -> None:
    moved = torch.stack([LINE, LINE + torch.tensor([[0.0, 0, 0], [0, 0, 0], [2, 0, 0]])])
    assert elastic_cost(moved, LINE, EDGES, kept=1.0).tolist() == pytest.approx([0.0, 0.5 * (4 + 4)])


def test_a_structure_that_moves_as_a_whole_costs_nothing(adk: Residues) -> None:
    position, edges = edges_of(adk)
    rotation = random_rotations(4, generator=torch.Generator().manual_seed(0)).float()
    moved = position @ rotation.mT + torch.randn(4, 1, 3, generator=torch.Generator().manual_seed(1))
    assert float(elastic_cost(moved, position, edges, kept=1.0).max()) < 1e-4


def test_edges_that_vary_most_are_left_out_and_the_hinge_opens(adk: Residues) -> None:
    position, edges = edges_of(adk)
    moved = hinged([-0.3, -0.1, 0.1, 0.3])
    across = ((edges < 129).sum(1) == 1).float().mean()  # one end in each half
    whole = elastic_cost(moved, position, edges, kept=1.0)
    relaxed = elastic_cost(moved, position, edges, kept=1 - float(across))
    assert float(relaxed.mean()) < 1e-3 * float(whole.mean())
    part = elastic_cost(moved, position, edges, kept=0.99)
    assert float(relaxed.mean()) < float(part.mean()) < 0.8 * float(whole.mean())


def test_one_structure_alone_has_no_variance_and_keeps_all_edges() -> None:
    moved = LINE[None] * 1.5
    expected = elastic_cost(moved, LINE, EDGES, kept=1.0)
    assert elastic_cost(moved, LINE, EDGES, kept=0.3).tolist() == expected.tolist()


def test_of_many_edges_some_structures_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = LINE + torch.arange(5.0)[:, None, None] * torch.tensor([[0.0, 0, 0], [0, 0, 0], [1, 0, 0]])
    monkeypatch.setattr(module, "LOOKED_AT", 9)
    assert elastic_cost(moved, LINE, EDGES, kept=1.0).tolist() == pytest.approx([0.0, 1.0, 4.0])
    monkeypatch.setattr(module, "LOOKED_AT", 1)
    assert len(elastic_cost(moved, LINE, EDGES, kept=1.0)) == 2


def test_without_edges_nothing_costs() -> None:
    none = torch.zeros(0, 2, dtype=torch.long)
    assert elastic_cost(LINE.expand(2, -1, -1), LINE, none, kept=0.99).tolist() == [0.0, 0.0]


def test_gradients_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(2)
    moved = torch.randn(3, 3, 3, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: elastic_cost(x, LINE.double(), EDGES, kept=1.0), moved)


def test_each_kind_has_its_reach_and_protein_chains_are_apart() -> None:
    """Six points 13 Å from the next: nucleotides of two strands, then protein of two chains."""
    position = 13.0 * torch.arange(6.0)[:, None] * torch.tensor([1.0, 0, 0])
    weight = torch.tensor([52.0, 50, 54, 19, 20, 17])
    chain = torch.tensor([0, 0, 1, 2, 2, 3])
    assert prior_edges(position, weight, chain).tolist() == [[0, 1], [1, 2]]
    closer = position * (11 / 13)
    assert prior_edges(closer, weight, chain).tolist() == [[0, 1], [1, 2], [3, 4]]
