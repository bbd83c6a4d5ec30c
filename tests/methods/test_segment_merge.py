"""Neighbours that move as one become one, exactly, and the dead go to where their residues are."""

from __future__ import annotations

import pytest
import torch

from methods.test_structure_method import Z, made
from trimorph.core.rigid_blend import blended_displacement, turn_quaternion
from trimorph.core.rotations import vector_to_matrix
from trimorph.methods.segment_merge import MotionMoments, groups_alike, owners
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


def test_neighbours_are_joined_from_the_most_alike_on() -> None:
    """Segments that slide by 0, 0.3, 0.9 and 5 Å; and one on another line that slides as its neighbour."""
    slide = torch.tensor([0.0, 0.3, 0.9, 5.0, 5.0])
    matrix = torch.zeros(1, 5, 3, 4, dtype=torch.float64)
    matrix[0, :, 0, 3] = slide
    moments = MotionMoments(torch.einsum("vsix,vtiy->sxty", matrix, matrix))
    sizes = [3, 5, 9, 2, 2]
    found, start = [], 0
    for number, size in enumerate(sizes):
        rows = tuple(range(start, start + size))
        found.append(Segment(number, int(number == 4), 1, size, rows))
        start += size
    position = torch.randn(start, 3, generator=torch.Generator().manual_seed(0))

    def numbers(limit: float) -> list[list[int]]:
        return [
            [one.number for one in group] for group in groups_alike(found, moments, position, limit=limit)
        ]

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
