"""Lines that segments lie on: chains, parts of the user, and what follows the residue next to it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trimorph.core.noise import NoiseModel
from trimorph.methods.base import Problem
from trimorph.methods.segment_lines import chain_links, followed, lay_lines, share_out

EVERY = torch.ones(14, dtype=torch.bool)
CHAIN = torch.tensor(7 * [0] + 7 * [1])


def problem(part: Tensor | None = None, segments: Tensor | None = None) -> Problem:
    """Two chains of six residues, 4 Å apart, each with a ligand beside its third residue at its end."""
    position = torch.zeros(14, 3)
    position[:, 0] = 4.0 * torch.tensor([*range(6), 2, *range(6), 2])
    position[[6, 13], 1] = torch.tensor([11.0, -11.0])
    position[7:, 2] = 30.0
    points = torch.cat([position, torch.ones(14, 1)], dim=1)
    return Problem(
        16, 4.0, 5, 20.0, NoiseModel(torch.ones(1, 9)), points=points, chain=CHAIN, part=part,
        part_segments=segments,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "most", "expected"),
    [
        ([10, 10], 3, [2, 1]),
        ([5, 1, 1], 1, [1, 1, 1]),
        ([2], 9, [2]),
        ([10, 1, 1], 4, [2, 1, 1]),
        ([3, 30], 40, [3, 30]),
    ],
)
def test_segments_are_shared_out(sizes: list[int], most: int, expected: list[int]) -> None:
    assert share_out(torch.tensor(sizes), most).tolist() == expected


def test_a_ligand_follows_what_it_is_bound_to() -> None:
    position = torch.zeros(6, 3)
    position[:, 0] = torch.tensor([0.0, 4.0, 8.0, 12.0, 1.0, 9.0])  # the last two stand at the chain's end
    position[4:, 1] = torch.tensor([3.0, -9.0])
    chain = torch.zeros(6, dtype=torch.long)
    links = chain_links(position, chain)
    links = links[links[:, 1] < 4]
    assert followed(position, links).tolist() == [0, 1, 2, 3, 0, 2]
    among = torch.tensor([False, True, True, True, True, False])
    assert followed(position, links, among=among).tolist() == [0, 1, 2, 3, 1, 5]


def test_chains_are_lines_without_their_ligands() -> None:
    found = lay_lines(problem(), EVERY, most=5)
    assert found.line.tolist() == 6 * [0] + [-1] + 6 * [1] + [-1]
    assert found.follows.tolist() == [0, 1, 2, 3, 4, 5, 2, 7, 8, 9, 10, 11, 12, 9]
    assert found.counts.tolist() == [3, 2]


def test_parts_have_segments_of_their_own() -> None:
    """One rigid body of both chains, a part of two segments with its ligand, and what stays."""
    part = torch.tensor([0, 0, 2, 2, 2, 2, 2, 0, 0, -1, -1, -1, -1, -1])
    found = lay_lines(problem(part, torch.tensor([1, 1, 2])), EVERY, most=12)
    assert found.line.tolist() == [0, 0, 1, 1, 1, 1, -1, 0, 0, -1, -1, -1, -1, -1]
    assert found.follows.tolist() == [0, 1, 2, 3, 4, 5, 2, 7, 8, 9, 10, 11, 12, 13]
    assert found.counts.tolist() == [1, 2]


def test_a_part_of_several_chains_has_a_line_on_each() -> None:
    found = lay_lines(problem(torch.zeros(14, dtype=torch.long), torch.tensor([3])), EVERY, most=12)
    assert found.line.tolist() == 6 * [0] + [-1] + 6 * [1] + [-1]
    assert found.counts.tolist() == [2, 1]


def test_parts_of_one_segment_by_default() -> None:
    part = torch.tensor([1, 1, -1, 0, 0, 0, 0, 1, 1, -1, -1, -1, -1, -1])
    found = lay_lines(problem(part), EVERY, most=12)
    assert found.line.tolist() == [1, 1, -1, 0, 0, 0, 0, 1, 1, -1, -1, -1, -1, -1]
    assert found.follows.tolist() == list(range(14))
    assert found.counts.tolist() == [1, 1]


def test_what_may_not_move_is_on_no_line() -> None:
    free = EVERY.clone()
    free[:4] = False
    found = lay_lines(problem(torch.zeros(14, dtype=torch.long), torch.tensor([2])), free, most=12)
    assert found.line.tolist() == 4 * [-1] + [0, 0, -1] + 6 * [1] + [-1]
    assert found.counts.tolist() == [1, 1]
