"""Maps around a latent of particles that are moved there part by part: what moves gets sharp."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.known_hinge import KnownHinge, KnownHingeSettings
from reconstruction.images_in_memory import ImagesInMemory
from reconstruction.test_moving import ANGLES, BOX, EACH, PIXEL, agreement, density, images
from trimorph.core.errors import InputError
from trimorph.core.rotations import vector_to_matrix
from trimorph.methods.base import Problem
from trimorph.methods.structure_method import RigidMotion
from trimorph.reconstruction.bodies import Body, bodies_of, seen_from
from trimorph.reconstruction.near import reconstruct_around
from trimorph.reconstruction.segment_regions import around

END = float(ANGLES[-1])
Made = tuple[ImagesInMemory, Tensor, KnownHinge]


@pytest.fixture(scope="module")
def made() -> Made:
    stack, z = images(ANGLES[1::2])
    return stack, z, KnownHinge(KnownHingeSettings(), Problem(BOX, PIXEL, len(stack), 40.0, stack.noise))


def bodies(made: Made, z: Tensor, at: float) -> list[Body]:
    return bodies_of(made[2], z, box=BOX, pixel_size=PIXEL, at=torch.tensor([at]))


def test_at_a_wide_bandwidth_the_moving_part_is_sharper_and_where_the_state_has_it(made: Made) -> None:
    stack, z, method = made
    distance = np.abs(z.numpy()[:, 0] - END)[None]
    wide = 3 * EACH
    _, (plain,) = reconstruct_around(stack, distance, least=wide)
    _, (moved,) = reconstruct_around(stack, distance, least=wide, moving=[bodies(made, z, END)])
    assert plain.number.min() >= wide
    assert moved.number.min() >= wide
    there = method.residue_motion(torch.tensor([[END]])).place(method.position)[0][method.moving]
    region = torch.as_tensor(around(there.numpy(), box=BOX, pixel_size=PIXEL, reach=6.0, edge=6.0))
    blurred, sharp = (agreement(found.reconstruction.map, density(END), region) for found in (plain, moved))
    assert sharp > blurred + 0.1
    halves = [
        agreement(found.reconstruction.half1, found.reconstruction.half2, region) for found in (plain, moved)
    ]
    assert halves[1] > halves[0]
    # at the other end it is not what is seen
    assert sharp > agreement(moved.reconstruction.map, density(float(ANGLES[1])), region) + 0.2


def test_where_nothing_moves_it_is_the_map_without(made: Made) -> None:
    stack, z, _ = made
    distance = np.abs(z.numpy().T - END)
    still = bodies(made, torch.zeros_like(z), 0.0)
    _, (plain,) = reconstruct_around(stack, distance, least=100)
    _, (moved,) = reconstruct_around(stack, distance, least=100, moving=[still])
    np.testing.assert_array_equal(plain.bandwidth, moved.bandwidth)
    wanted = plain.reconstruction.map
    np.testing.assert_allclose(moved.reconstruction.map, wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


def test_motions_seen_from_a_state_are_those_of_points_there() -> None:
    generator = torch.Generator().manual_seed(0)
    turn, shift = torch.randn(2, 5, 3, 3, generator=generator).unbind(0)
    centre, points = torch.randn(3, 3, generator=generator), torch.randn(3, 3, generator=generator)
    motion = RigidMotion(turn, shift, centre, torch.ones(5, 3))
    there = RigidMotion(turn[:1], shift[:1], centre, torch.ones(1, 3))

    def go(one: RigidMotion, place: Tensor) -> Tensor:
        """Point s by part s."""
        arm = torch.einsum("vsij,vsj->vsi", vector_to_matrix(one.turn), place - one.centre)
        return arm + one.centre + one.shift

    moved = go(seen_from(motion, there), go(there, points.expand(1, 3, 3)).expand(5, 3, 3))
    torch.testing.assert_close(moved, go(motion, points.expand(5, 3, 3)), rtol=0, atol=1e-4)


def test_a_part_that_no_particle_has_is_refused(made: Made) -> None:
    stack, z, _ = made
    none = [Body(one.where, 0 * one.weight, one.pose, one.number) for one in bodies(made, z, END)]
    with pytest.raises(InputError, match=r"no particle of one half set with something of segment 1"):
        reconstruct_around(stack, np.abs(z.numpy().T), moving=[none])
