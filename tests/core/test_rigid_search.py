"""Points are found in a map: correlation by two routes, poses from any start."""

from __future__ import annotations

from math import pi

import pytest
import torch
from torch import Tensor

from trimorph.core.gaussians import Gaussians
from trimorph.core.point_field import MOLMAP_WIDTH, PointField, thinned
from trimorph.core.rigid_refine import refine
from trimorph.core.rigid_search import Pose, distinct, even_rotations, search, spacing
from trimorph.core.rotations import random_rotations, rotation_angle, vector_to_matrix

BOX, PIXEL_SIZE, RESOLUTION = 24, 3.0, 12.0


@pytest.fixture(scope="module")
def points() -> Tensor:
    """Points in three unequal heaps without symmetry, about their mean."""
    generator = torch.Generator().manual_seed(3)
    heaps = torch.tensor([[-12.0, 0, 0], [10, 6, 0], [4, -4, 13]]).repeat_interleave(
        torch.tensor([60, 30, 20]), dim=0
    )
    place = heaps + 3 * torch.randn(110, 3, generator=generator)
    return (place - place.mean(0)).double()


def voxels(place: Tensor, *, width: float) -> Tensor:
    count = len(place)
    blobs = Gaussians(place[None], torch.ones(1, count), torch.full((1, count), width))
    return blobs.voxels(BOX, PIXEL_SIZE)[0].double()


def field_of(density: Tensor, *, sampling: float = 6.0, margin: float = 12.0) -> PointField:
    centred = density - density.mean()
    return PointField.of(centred, PIXEL_SIZE, resolution=RESOLUTION, margin=margin, sampling=sampling)


def test_correlation_is_that_of_voxels(points: Tensor) -> None:
    weight = torch.ones(110, dtype=torch.float64)
    field = field_of(voxels(points, width=3.5))
    for shift in ([0.0, 0, 0], [4.0, -2, 1]):
        place = points @ vector_to_matrix(torch.tensor(shift, dtype=torch.float64) / 5).mT
        place = place + torch.tensor(shift)
        both = torch.stack([voxels(points, width=3.5), voxels(place, width=MOLMAP_WIDTH * RESOLUTION)])
        expected = float(torch.corrcoef(both.flatten(1))[0, 1])
        assert float(field.correlation(place, weight)) == pytest.approx(expected, abs=3e-3)


def test_both_ways_to_the_overlap_agree(points: Tensor) -> None:
    weight = torch.linspace(0.5, 2, 110, dtype=torch.float64)
    field = field_of(voxels(points, width=3.0))
    grid = torch.fft.fftshift(field.spread(points, weight))
    expected = float((grid * field.landscape).sum())
    assert float(field.cross(points, weight)) == pytest.approx(expected, rel=1e-9)


def test_thinned_points_keep_weight_and_centre(points: Tensor) -> None:
    weight = torch.linspace(0.5, 2, 110, dtype=torch.float64)
    some, sums = thinned(points, weight, cell=4.0)
    assert 10 < len(some) < 110
    torch.testing.assert_close(sums.sum(), weight.sum())
    torch.testing.assert_close(sums @ some, weight @ points)


def test_rotations_are_even() -> None:
    turns = even_rotations(600)
    torch.testing.assert_close(turns @ turns.mT, torch.eye(3).double().expand(600, 3, 3), atol=1e-12, rtol=0)
    others = random_rotations(200, generator=torch.Generator().manual_seed(0))
    nearest = rotation_angle(others[:, None] @ turns.mT).amin(1)
    assert float(nearest.max()) < 1.2 * spacing(600)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_turned_and_shifted_map_is_found(points: Tensor, seed: int) -> None:
    turn = random_rotations(1, generator=torch.Generator().manual_seed(seed))[0]
    shift = torch.tensor([5.0, -7.5, 3.0], dtype=torch.float64)
    density = voxels(points @ turn.mT + shift, width=3.5)
    weight = torch.ones(110)
    coarse = field_of(density.float(), sampling=2.5, margin=15.0)
    (found,) = search([coarse], points.float(), weight, rotations=even_rotations(600))
    some = distinct(found, angle=1.2 * spacing(600), distance=6.0, most=6)
    best, *_ = refine(field_of(density, sampling=10.0), points, weight.double(), some)
    # few points, read between voxels by straight lines: with more, the mistakes average out
    assert float(rotation_angle(best.rotation @ turn.mT)) < pi / 180
    assert float((best.shift - shift).norm()) < 0.3
    assert best.score == pytest.approx(0.98, abs=0.01)


def test_distinct_poses_differ_in_angle_or_place() -> None:
    turn = vector_to_matrix(torch.tensor([0.3, 0.0, 0.0]))
    poses = [
        Pose(torch.eye(3), torch.zeros(3), 0.9),
        Pose(vector_to_matrix(torch.tensor([0.1, 0.0, 0.0])), torch.ones(3), 0.8),
        Pose(turn, torch.zeros(3), 0.7),
        Pose(torch.eye(3), torch.full((3,), 5.0), 0.6),
    ]
    kept = distinct(poses, angle=0.2, distance=4.0, most=9)
    assert [pose.score for pose in kept] == [0.9, 0.7, 0.6]
    assert len(distinct(poses, angle=0.2, distance=4.0, most=2)) == 2
