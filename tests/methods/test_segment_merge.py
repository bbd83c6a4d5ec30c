"""Neighbours that move as one become one, exactly, and the dead go to where their residues are."""

from __future__ import annotations

import pytest
import torch

from methods.test_structure_method import Z, made
from trimorph.core.rigid_blend import blended_displacement, turn_quaternion
from trimorph.core.rotations import vector_to_matrix
from trimorph.methods.segment_merge import MotionMoments, groups_alike, groups_untold, groups_within, owners
from trimorph.methods.segment_report import living
from trimorph.methods.segmentation import Segmentation
from trimorph.methods.segments import Segments
from trimorph.methods.structure_method import Segment


def hard(method: Segments) -> Segmentation:
    """Segments without residues that belong to two."""
    assert method.rigid is not None
    method.rigid.segmentation.exponent = 1e5
    return method.rigid.segmentation


def test_a_merged_segment_follows_its_owner_rigidly() -> None:
    method = made(segments=4)
    segmentation = hard(method)
    before = method.segments()
    with torch.no_grad():
        own = method.decode(Z).position
        segmentation.merge(torch.tensor([1, 1, 2, 3]))
        both = method.decode(Z).position
        rigid = method.segment_motion(Z)
    merged, *others = method.segments()
    rows = list(merged.residues)
    assert merged.residues == before[0].residues + before[1].residues
    assert [one.residues for one in others] == [one.residues for one in before[2:]]
    assert torch.equal(both[:, list(before[1].residues)], own[:, list(before[1].residues)])  # of the owner
    for place in both:
        torch.testing.assert_close(
            torch.pdist(place[rows]), torch.pdist(method.position[rows]), rtol=0, atol=2e-4
        )
    expected = (method.position[rows] - rigid.centre[0]) @ vector_to_matrix(rigid.turn[:, 0]).mT
    expected = expected + rigid.centre[0] + rigid.shift[:, 0, None]
    torch.testing.assert_close(both[:, rows], expected, rtol=0, atol=2e-4)
    torch.testing.assert_close(rigid.centre[0], method.position[rows].mean(0), rtol=0, atol=1e-3)
    torch.testing.assert_close(method.shares().sum(1), torch.ones(214))
    assert method.shares().shape == (214, 3)


def test_distances_of_motions_are_those_of_the_points() -> None:
    """By second moments, and by moving every point."""
    generator = torch.Generator().manual_seed(0)
    turn, shift, centre = (torch.randn(*shape, generator=generator) for shape in ((9, 2, 3),) * 2 + ((2, 3),))
    points = 10 * torch.randn(20, 3, generator=generator)
    moved = torch.stack(
        [
            blended_displacement(
                turn_quaternion(turn[:, i])[..., None].expand(-1, -1, 20),
                shift[:, i, :, None].expand(-1, -1, 20),
                (points - centre[i]).mT,
            )
            for i in range(2)
        ]
    )
    expected = float((moved[0] - moved[1]).square().sum(-1).mean().sqrt())
    rotation = vector_to_matrix(turn) - torch.eye(3)
    matrix = torch.cat([rotation, (shift - (rotation @ centre[..., None])[..., 0])[..., None]], -1).double()
    mean = torch.einsum("vsix,vtiy->sxty", matrix, matrix) / 9
    whole = torch.cat([points, torch.ones(20, 1)], 1).double()
    moments, moment = MotionMoments(mean), whole.mT @ whole / 20
    assert moments.apart(0, 1, moment) == pytest.approx(expected, rel=1e-5)
    size = float(moved[0].square().sum(-1).mean().sqrt())
    assert moments.size(0, moment) == pytest.approx(size, rel=1e-5)


def test_large_motions_are_alike_to_a_share_of_them() -> None:
    matrix = torch.zeros(1, 2, 3, 4, dtype=torch.float64)
    matrix[0, :, 0, 3] = torch.tensor([20.0, 20.9])
    moments = MotionMoments(torch.einsum("vsix,vtiy->sxty", matrix, matrix))
    found = [Segment(0, 0, 1, 2, (0, 1)), Segment(1, 0, 3, 4, (2, 3))]
    assert len(groups_alike(found, moments, torch.randn(4, 3), limit=0.5)) == 1
    matrix[0, 1, 0, 3] = 22.0
    moments = MotionMoments(torch.einsum("vsix,vtiy->sxty", matrix, matrix))
    assert len(groups_alike(found, moments, torch.randn(4, 3), limit=0.5)) == 2


def sliding(slide: list[float]) -> MotionMoments:
    """Of segments that slide along x by these lengths in Å."""
    matrix = torch.zeros(1, len(slide), 3, 4, dtype=torch.float64)
    matrix[0, :, 0, 3] = torch.tensor(slide)
    return MotionMoments(torch.einsum("vsix,vtiy->sxty", matrix, matrix))


def in_a_row(sizes: list[int], lines: list[int]) -> list[Segment]:
    """Segments of these sizes, one after the other."""
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return [
        Segment(number, lines[number], 1, size, tuple(range(end - size, end)))
        for number, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]


def named(groups: list[list[Segment]]) -> list[list[int]]:
    return [[one.number for one in group] for group in groups]


def test_the_two_ends_of_a_chain_may_be_one_and_the_least_told_apart_are_joined() -> None:
    """The images ask for 10 nats an Å and residue that is wrong; 2 and 0 slide alike, with 1 between."""
    slide, sizes = [0.0, 6.0, 0.2, 2.0, 0.0], [20, 5, 10, 4, 3]
    found, moments = in_a_row(sizes, lines=[0, 0, 0, 0, 1]), sliding(slide)
    position = torch.randn(sum(sizes), 3, generator=torch.Generator().manual_seed(0))
    assert named(groups_alike(found, moments, position, limit=0.5)) == [[0, 2], [1], [3], [4]]

    def misfit(groups: list[list[Segment]]) -> float:
        wrong = [
            len(one.residues) * abs(slide[one.number] - slide[group[0].number])
            for group in groups
            for one in group
        ]
        return 10 * sum(wrong)

    single = [[one] for one in found]

    assert named(groups_untold(single, moments, position, misfit=misfit, enough=19.0)) == named(single)
    groups = groups_untold(single, moments, position, misfit=misfit, enough=21.0)
    assert named(groups) == [[0, 2], [1], [3], [4]]
    for most, expected in ((3, [[0, 2], [1], [3]]), (2, [[0, 2, 3], [1]]), (1, [[0, 2, 3, 1]])):
        kept = groups_within(groups, moments, position, misfit=misfit, most=[most, 1])
        assert named(kept) == [*expected, [4]]


def test_neighbours_are_joined_from_the_most_alike_on() -> None:
    """Segments that slide by 0, 0.3, 0.9 and 5 Å; and one on another line that slides as its neighbour."""
    moments = sliding([0.0, 0.3, 0.9, 5.0, 5.0])
    sizes = [3, 5, 9, 2, 2]
    found = in_a_row(sizes, lines=[0, 0, 0, 0, 1])
    position = torch.randn(sum(sizes), 3, generator=torch.Generator().manual_seed(0))

    def numbers(limit: float) -> list[list[int]]:
        return named(groups_alike(found, moments, position, limit=limit))

    assert numbers(0.0) == [[0], [1], [2], [3], [4]]
    assert numbers(0.5) == [[1, 0], [2], [3], [4]]  # the third differs from the second by 0.6
    assert numbers(0.7) == [[2, 1, 0], [3], [4]]
    assert numbers(9.0)[-1] == [4]


def test_the_dead_go_to_whom_their_residues_belong() -> None:
    made_of = Segmentation(torch.zeros(40, dtype=torch.long), torch.tensor([4]), exponent=20.0)
    with torch.no_grad():
        made_of.mean[2, 0, 1] = -5.0  # so unlikely that it holds nothing
    found = living(made_of)
    assert [one.number for one in found] == [0, 2, 3]
    owner = owners(made_of, [[one] for one in found])
    assert owner[[0, 2, 3]].tolist() == [0, 2, 3]
    assert int(owner[1]) in (0, 2)
    made_of.merge(owner)
    assert [one.residues for one in living(made_of)] == [one.residues for one in found]
    torch.testing.assert_close(made_of.merged(made_of(sampled=False))[:, 1], torch.zeros(40))
    assert owners(made_of, [[one] for one in living(made_of)]).tolist() == owner.tolist()
