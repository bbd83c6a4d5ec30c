"""Point groups: their rotations, and the asymmetric unit."""

from __future__ import annotations

import pytest
import torch

from trimorph.core.errors import InputError
from trimorph.core.rotations import is_rotation, random_rotations
from trimorph.core.symmetry import asymmetric_unit, symmetry_order, symmetry_rotations, unit_direction

GROUPS = {"C1": 1, "C2": 2, "C5": 5, "D1": 2, "D2": 4, "D7": 14, "c4": 4, " d3 ": 6}


@pytest.mark.parametrize("group", GROUPS)
def test_a_group(group: str) -> None:
    """As many different rotations as its order, the identity first, closed under products and inverses."""
    rotations = symmetry_rotations(group)
    assert len(rotations) == symmetry_order(group) == GROUPS[group]
    assert bool(is_rotation(rotations).all())
    torch.testing.assert_close(rotations[0], torch.eye(3, dtype=torch.float64))
    products = torch.einsum("aij,bjk->abik", rotations, rotations).flatten(0, 1)
    distance = (products[:, None] - rotations).abs().amax((-2, -1))
    assert bool(((distance < 1e-12).sum(1) == 1).all())


def test_c3_turns_a_third_about_z() -> None:
    half, root = 0.5, 0.75**0.5
    turn = torch.tensor([[-half, -root, 0.0], [root, -half, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(symmetry_rotations("C3")[1], turn)


def test_d3_has_half_turns_about_axes_60_degrees_apart_in_the_plane() -> None:
    """The first about x, as RELION has it; an axis is what a rotation leaves."""
    turns = symmetry_rotations("D3")[3:]
    assert (turns.diagonal(dim1=1, dim2=2).sum(1)).tolist() == pytest.approx([-1.0] * 3)
    angle = torch.deg2rad(torch.tensor([0.0, 60.0, 120.0], dtype=torch.float64))
    axis = torch.stack([angle.cos(), angle.sin(), torch.zeros(3)], 1)
    torch.testing.assert_close(torch.einsum("bij,bj->bi", turns, axis), axis, atol=1e-12, rtol=0)


@pytest.mark.parametrize("group", ["C2", "C3", "C7", "D1", "D2", "D3"])
def test_the_copies_of_the_unit_fill_space_once(group: str) -> None:
    generator = torch.Generator().manual_seed(0)
    place = 50 * torch.randn(2000, 3, generator=generator, dtype=torch.float64)
    rotations = symmetry_rotations(group)
    share = torch.stack(
        [
            asymmetric_unit(place @ turn.T, group, direction=unit_direction(group), edge=1e-9)
            for turn in rotations
        ]
    )
    torch.testing.assert_close(share.sum(0), torch.ones(2000, dtype=torch.float64))
    assert share.mean(1).tolist() == pytest.approx([1 / len(rotations)] * len(rotations), abs=0.03)


def test_the_unit_lies_in_its_direction_and_its_edge_is_soft() -> None:
    """C4 around y: 90 degrees wide, and half on the diagonals, at which it falls over the edge's length."""
    angle = torch.deg2rad(torch.tensor([90.0, 130.0, 140.0, 45.0, 0.0]))
    place = 10 * torch.stack([angle.cos(), angle.sin(), torch.ones(5)], 1)
    sharp = asymmetric_unit(place, "C4", direction=(0.0, 1.0, 0.0), edge=1e-6)
    assert sharp.tolist() == pytest.approx([1.0, 1.0, 0.0, 0.5, 0.0], abs=1e-6)
    step = torch.tensor([[1.0, -1.0, 0.0]]) / 2**0.5  # across the plane
    near = asymmetric_unit(place[3:4] + step, "C4", direction=(0.0, 1.0, 0.0), edge=4.0)
    assert float(near) == pytest.approx(0.5 - 1 / 4, abs=1e-6)


def test_one_group_has_one_unit() -> None:
    place = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert asymmetric_unit(place, "C1", direction=(1.0, 0.0, 0.0), edge=1.0).tolist() == [1.0] * 5


@pytest.mark.parametrize("group", ["T", "C0", "D", "C3v", "I1", "C101", ""])
def test_other_names(group: str) -> None:
    with pytest.raises(InputError, match=f'Found the symmetry "{group}"; wanted C or D .*as in C1, C3'):
        symmetry_rotations(group)


@pytest.mark.parametrize(
    ("group", "direction"), [("C3", (0.0, 0.0, 2.0)), ("D2", (1.0, 0.0, 0.0)), ("C2", (0.0, 0.0, 0.0))]
)
def test_a_direction_that_is_its_own_copy(group: str, direction: tuple[float, float, float]) -> None:
    with pytest.raises(
        InputError, match=rf"Symmetry {group}: found the direction .*none of the group's axes"
    ):
        asymmetric_unit(torch.zeros(1, 3), group, direction=direction, edge=1.0)


def test_an_image_of_a_symmetric_object_is_that_at_the_other_pose() -> None:
    """Points that D3 leaves as they are look the same at R and at R S_k."""
    rotations = symmetry_rotations("D3")
    points = rotations @ torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64)
    pose = random_rotations(1, generator=torch.Generator().manual_seed(0))[0]
    seen = (points @ pose.T)[:, :2]
    for turn in rotations:
        again = (points @ (pose @ turn).T)[:, :2]
        assert float(torch.cdist(seen, again).amin(1).max()) < 1e-12
