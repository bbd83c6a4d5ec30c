"""Back-projection along a known motion of voxel-simulated images: the moving part gets sharp."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.known_hinge import KnownHinge, KnownHingeSettings
from methods.made_structure import adenylate_kinase, turned
from reconstruction.images_in_memory import ImagesInMemory, joined, simulate_images
from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.data.scattering import AtomicDensity
from trimorph.methods.base import Problem
from trimorph.methods.cloud_parts import CloudParts
from trimorph.methods.structure_method import RigidMotion
from trimorph.reconstruction.moving import reconstruct_along
from trimorph.reconstruction.reconstruct import Reconstruction, reconstruct
from trimorph.reconstruction.segment_regions import around, segment_weights

BOX, PIXEL, EACH = 26, 4.0, 60
ANGLES = np.linspace(-0.6, 0.6, 8)
Known = tuple[ImagesInMemory, Tensor, Reconstruction]


def density(angle: float) -> Tensor:
    atoms = AtomicDensity.of(turned(adenylate_kinase(), angle), resolution=8.0, origin=np.zeros(3))
    return atoms.voxels(BOX, PIXEL)[0]


def images(angles: np.ndarray) -> tuple[ImagesInMemory, Tensor]:
    """As many images of each angle, and each one's latent."""
    parts = [
        simulate_images(density(float(angle)), pixel_size=PIXEL, count=EACH, snr=0.3, seed=number)
        for number, angle in enumerate(angles)
    ]
    return joined(parts), torch.as_tensor(np.repeat(angles, EACH), dtype=torch.float32)[:, None]


def hinge(stack: ImagesInMemory, *, still: bool = False) -> KnownHinge:
    return KnownHinge(KnownHingeSettings(still=still), Problem(BOX, PIXEL, len(stack), 40.0, stack.noise))


@pytest.fixture(scope="module")
def moving() -> Known:
    stack, z = images(ANGLES)
    return stack, z, reconstruct(stack)


@pytest.fixture(scope="module")
def region(moving: Known) -> Tensor:
    """Where the part that moves is at rest."""
    method = hinge(moving[0])
    place = method.position[method.moving].numpy()
    return torch.as_tensor(around(place, box=BOX, pixel_size=PIXEL, reach=6.0, edge=6.0))


def agreement(first: np.ndarray, second: np.ndarray | Tensor, region: Tensor) -> float:
    """Mean FSC in a region over shells to 8.7 Å."""
    pair = (torch.as_tensor(one) * region for one in (first, second))
    return float(fourier_shell_correlation(*pair)[1:13].mean())


def test_the_moving_part_gets_nearly_as_sharp_as_if_nothing_moved(moving: Known, region: Tensor) -> None:
    stack, z, ordinary = moving
    along = reconstruct_along(stack, hinge(stack), z, ordinary=ordinary)
    homogeneous = reconstruct(images(np.zeros(len(ANGLES)))[0])
    blurred, sharp, best = (
        agreement(found.map, density(0.0), region) for found in (ordinary, along, homogeneous)
    )
    assert sharp > blurred + 0.15
    assert sharp > best - 0.04
    halves = [agreement(found.half1, found.half2, region) for found in (ordinary, along)]
    assert halves[1] > halves[0] + 0.05


def test_a_cloud_of_gaussians_is_followed_as_well_in_parts_that_are_found(
    moving: Known, region: Tensor
) -> None:
    stack, z, ordinary = moving
    method = hinge(stack)
    cloud = CloudParts.of(method.decode, z, tolerance=1.0, most=4)
    assert cloud.count == 2
    assert cloud.error < 0.5
    along = reconstruct_along(stack, cloud, z, ordinary=ordinary)
    blurred, sharp = (agreement(found.map, density(0.0), region) for found in (ordinary, along))
    assert sharp > blurred + 0.15


def test_the_opposite_motion_blurs_more(moving: Known, region: Tensor) -> None:
    stack, z, ordinary = moving
    wrong = reconstruct_along(stack, hinge(stack), -z, ordinary=ordinary)
    assert agreement(wrong.map, density(0.0), region) < agreement(ordinary.map, density(0.0), region) - 0.03


@pytest.mark.parametrize("still", [False, True])
def test_no_motion_gives_the_ordinary_reconstruction(moving: Known, still: bool) -> None:
    stack, z, ordinary = moving
    told: list[tuple[int, int]] = []
    along = reconstruct_along(
        stack,
        hinge(stack, still=still),
        torch.zeros_like(z),
        ordinary=ordinary,
        progress=lambda *step: told.append(step),
    )
    for name in ("half1", "half2", "map"):
        wanted = getattr(ordinary, name)
        np.testing.assert_allclose(getattr(along, name), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    assert told[-1] == (2 * len(stack), 2 * len(stack))
    assert told == sorted(told)


def test_particles_count_by_the_occupancy_of_the_segment(
    moving: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, z, ordinary = moving
    method, part = hinge(stack, still=True), (z[:, 0] > 0).float()

    def motion(rows: Tensor, *, there: float) -> RigidMotion:
        still = torch.zeros(len(rows), 1, 3)
        return RigidMotion(still, still, torch.zeros(1, 3), there * (rows > 0).float())

    monkeypatch.setattr(method, "segment_motion", partial(motion, there=0.5))
    along = reconstruct_along(stack, method, z, ordinary=ordinary)
    some = reconstruct(stack, weights=part.numpy(), half=ordinary.half)
    weight = segment_weights(
        method.position.double().numpy(), method.shares().double().numpy(), box=BOX, pixel_size=PIXEL
    )
    wanted = weight[0] * some.half1 + weight[1] * ordinary.half1
    np.testing.assert_allclose(along.half1, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    monkeypatch.setattr(method, "segment_motion", partial(motion, there=0.0))
    with pytest.raises(InputError, match="with something of segment 1"):
        reconstruct_along(stack, method, z, ordinary=ordinary)


def test_weights_sum_to_one_and_follow_the_shares() -> None:
    generator = np.random.default_rng(0)
    place = generator.normal(size=(30, 3)) * 20
    shares = generator.dirichlet([0.5, 0.5, 0.5], 30)[:, :2]
    weight = segment_weights(place, shares, box=24, pixel_size=4.0)
    np.testing.assert_allclose(weight.sum(0), 1.0, atol=1e-5)
    x, y, z = np.round(place / 4 + 12).astype(int).T
    lone = np.sort(np.linalg.norm(place[:, None] - place, axis=-1), axis=1)[:, 1] > 12
    np.testing.assert_allclose(weight[:2, z[lone], y[lone], x[lone]].T, shares[lone], atol=0.1)
    assert lone.sum() >= 5
