"""Rigid parts of a moving cloud: found where they are known, and no more of them than are needed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trimorph.core.gaussians import Gaussians
from trimorph.core.rotations import random_rotations, vector_to_matrix
from trimorph.methods.cloud_parts import CloudParts, rigid_motions, rigid_partition


def cloud() -> tuple[Tensor, Tensor]:
    """Points of three bodies side by side, and the body of each."""
    generator = torch.Generator().manual_seed(0)
    body = torch.arange(150) % 3
    place = torch.randn(150, 3, generator=generator) * 6.0
    place[:, 0] += 30.0 * (body - 1)
    return place, body


def decode(z: Tensor) -> Gaussians:
    """The outer bodies turn about hinges beside the middle one, by z1 and z2 radians; one point is faint."""
    place, body = cloud()
    moved = place.expand(len(z), -1, -1).clone()
    for number, column, side in ((0, 0, -15.0), (2, 1, 15.0)):
        turn = torch.zeros(len(z), 3)
        turn[:, 2] = z[:, column]
        hinge = torch.tensor([side, 0.0, 0.0])
        there = (place - hinge) @ vector_to_matrix(turn).mT + hinge
        moved = torch.where((body == number)[:, None], there, moved)
    amplitude = torch.ones(1, 150)
    amplitude[0, 7] = 0.0
    return Gaussians(moved, amplitude, torch.full((1, 150), 3.0))


def latents() -> Tensor:
    return torch.randn(200, 2, generator=torch.Generator().manual_seed(1)) * 0.4


def test_parts_are_the_bodies() -> None:
    _, body = cloud()
    parts = CloudParts.of(decode, latents(), tolerance=0.5, most=8)
    assert parts.count == 3
    assert parts.error < 0.5
    assert len(parts.kept) == 149
    overlap = torch.zeros(3, 3)
    for own, true in zip(parts.member, body[parts.kept], strict=True):
        overlap[own, true] += 1
    assert float(overlap.amax(1).sum()) >= 147
    assert len(overlap.argmax(1).unique()) == 3


def test_motions_take_points_where_they_are() -> None:
    parts, z = CloudParts.of(decode, latents(), tolerance=0.5, most=8), latents()[:20]
    motion = parts.segment_motion(z)
    turn = vector_to_matrix(motion.turn)[:, parts.member]
    arm = parts.position - motion.centre[parts.member]
    there = (turn @ arm[..., None])[..., 0] + motion.centre[parts.member] + motion.shift[:, parts.member]
    error = (there - decode(z).position[:, parts.kept]).norm(dim=-1)
    assert float(error.square().mean().sqrt()) < 0.6
    assert bool((motion.occupancy == 1).all())
    still = parts.segment_motion(torch.zeros(1, 2))
    torch.testing.assert_close(still.shift, torch.zeros(1, 3, 3), rtol=0, atol=1e-4)
    torch.testing.assert_close(still.turn, torch.zeros(1, 3, 3), rtol=0, atol=1e-3)


def test_no_more_parts_than_are_needed() -> None:
    place, _ = cloud()
    turned = place.double() @ random_rotations(5, generator=torch.Generator().manual_seed(2)).double().mT
    member, error = rigid_partition(place.double(), turned, torch.ones(150).double(), tolerance=0.1, most=8)
    assert int(member.max()) == 0
    assert error == pytest.approx(0.0, abs=1e-5)
    assert CloudParts.of(decode, latents(), tolerance=0.01, most=2).count == 2


def test_a_rotation_is_found_exactly() -> None:
    place, _ = cloud()
    place = place.double()
    rotation = random_rotations(4, generator=torch.Generator().manual_seed(3)).double()
    moved = place @ rotation.mT + torch.tensor([1.0, -2.0, 3.0]).double()
    turn, centre, shift = rigid_motions(place, moved, torch.rand(150, 1).double())
    torch.testing.assert_close(turn[:, 0], rotation)
    wanted = (rotation - torch.eye(3)) @ centre[0] + torch.tensor([1.0, -2.0, 3.0]).double()
    torch.testing.assert_close(shift[:, 0], wanted)
