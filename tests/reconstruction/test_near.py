"""Maps around points: weights, many in one pass, and a bandwidth on each shell as noise and motion ask."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reconstruction.images_in_memory import ImagesInMemory, joined, simulate_images
from trimorph.core.backprojection import BackProjector
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.core.gaussians import Gaussians
from trimorph.reconstruction.bandwidth import Agreement, choose_rungs
from trimorph.reconstruction.blend import Blend
from trimorph.reconstruction.ladder import Ladder, ladder_around
from trimorph.reconstruction.memory import pair_bytes, pairs_at_once
from trimorph.reconstruction.near import LocalMap, reconstruct_around
from trimorph.reconstruction.reconstruct import reconstruct

BOX, PIXEL, EACH = 20, 4.0, 50
STATES = np.linspace(-1, 1, 9)


def density(state: float) -> Tensor:
    """Blobs, of which those at x > 0 go up by 10 Å in state 1."""
    generator = torch.Generator().manual_seed(5)
    place = torch.randn(1, 60, 3, generator=generator) * 9.0
    place[..., 2] += 10.0 * state * (place[..., 0] > 0)
    return Gaussians(place, torch.full((1, 60), 100.0), torch.full((1, 60), 3.0)).voxels(BOX, PIXEL)[0]


def images(snr: float | None) -> ImagesInMemory:
    return joined(
        [
            simulate_images(density(float(state)), pixel_size=PIXEL, count=EACH, snr=snr, seed=seed)
            for seed, state in enumerate(STATES)
        ]
    )


@pytest.fixture(scope="module")
def moving() -> ImagesInMemory:
    return images(0.3)


def from_state(state: float) -> np.ndarray:
    """How far each particle is, no two being as far."""
    spread = np.random.default_rng(0).uniform(-0.1, 0.1, EACH * len(STATES))
    return np.abs(np.repeat(STATES, EACH) + spread - state)


def agreement(found: np.ndarray, state: float) -> float:
    """Mean FSC with the truth."""
    return float(fourier_shell_correlation(torch.tensor(found), density(state))[1:].mean())


def test_sums_under_hats_are_those_of_every_rung(moving: ImagesInMemory) -> None:
    """By brute force: each rung's weights given to each image."""
    distance = from_state(0.0)
    ladder = ladder_around(distance, np.ones(len(moving)), 1 + np.arange(len(moving)) % 2, least=40)
    assert ladder.number[:-1].tolist() == [40, 80, 160, 320]
    hats = ladder.knots()[:-1]
    assert ((hats > 0).sum(0) <= 2).all()

    def sums(weight: np.ndarray) -> BackProjector:
        projector = BackProjector(moving.disk)
        transfer = moving.ctf(moving.disk)
        projector.insert(
            moving.image,
            moving.rotation,
            transfer=transfer,
            precision=torch.as_tensor(weight, dtype=torch.float32)[:, None],
        )
        return projector

    parts = tuple(sums(row) for row in ladder.knots())
    for row, width in zip(ladder.from_knots(), ladder.bandwidth, strict=True):
        brute = (1 - (distance / width) ** 2).clip(0)
        share = torch.as_tensor(row, dtype=torch.float32)[:, None].expand(-1, BOX // 2 + 1)
        found, wanted = Blend(parts, share).sums(), sums(brute).sums()
        scale = float(wanted.weight.max())
        torch.testing.assert_close(found.weight, wanted.weight, rtol=0, atol=1e-5 * scale)
        scale = float(wanted.numerator.abs().max())
        torch.testing.assert_close(found.numerator, wanted.numerator, rtol=0, atol=1e-5 * scale)


def test_equal_weights_are_the_ordinary_reconstruction(moving: ImagesInMemory) -> None:
    wanted = reconstruct(moving)
    whole, (local,) = reconstruct_around(moving, np.zeros((1, len(moving))))
    assert np.isinf(local.bandwidth).all()
    np.testing.assert_allclose(local.effective, len(moving))
    for found in (whole, local.reconstruction):
        for name in ("half1", "half2", "map"):
            most = np.abs(getattr(wanted, name)).max()
            np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=0, atol=1e-5 * most)


def test_many_in_one_pass_are_as_one_by_one(moving: ImagesInMemory) -> None:
    distance = np.stack([from_state(state) for state in (-1.0, 0.2)])
    told: list[tuple[int, int]] = []
    _, together = reconstruct_around(moving, distance, least=60)
    _, again = reconstruct_around(
        moving, distance, least=60, memory=5 * pair_bytes(moving.disk) / 1e9 + 0.0026,
        progress=lambda *step: told.append(step),
    )  # fmt: skip
    assert told[-1] == (told[-1][1], told[-1][1])
    assert told[-1][1] > len(moving)
    for number, row in enumerate(distance):
        _, (alone,) = reconstruct_around(moving, row[None], least=60)
        for found in (together[number], again[number]):
            np.testing.assert_array_equal(found.bandwidth, alone.bandwidth)
            np.testing.assert_allclose(found.reconstruction.map, alone.reconstruction.map, rtol=0, atol=1e-5)


def test_a_state_is_found_among_others(moving: ImagesInMemory) -> None:
    states = (-1.0, 0.5)
    whole, found = reconstruct_around(moving, np.stack([from_state(state) for state in states]), least=60)
    for state, local in zip(states, found, strict=True):
        assert agreement(local.reconstruction.map, state) > agreement(whole.map, state) + 0.03
        nearest = from_state(state) < np.sort(from_state(state))[100]
        plain = reconstruct(moving, weights=nearest.astype(float))
        assert agreement(local.reconstruction.map, state) > agreement(plain.map, state)


def test_noise_asks_for_more_particles(moving: ImagesInMemory) -> None:
    def chosen(snr: float | None) -> LocalMap:
        _, (local,) = reconstruct_around(images(snr), from_state(0.9)[None], least=30)
        return local

    clean, noisy = chosen(10.0), chosen(0.03)
    assert clean.number[1:].mean() < 120
    assert noisy.number[1:].mean() > 1.6 * clean.number[1:].mean()
    assert noisy.effective[1:].mean() > clean.effective[1:].mean()


def test_particles_that_do_not_differ_are_all_taken() -> None:
    """Distances of particles of one density, and so of chance."""
    stack = simulate_images(density(0.0), pixel_size=PIXEL, count=400, snr=0.1)
    far = np.random.default_rng(1).uniform(size=(1, 400))
    _, (local,) = reconstruct_around(stack, far, least=50)
    assert np.median(local.number[1:]) == 400


def test_the_choice_weighs_bias_against_noise() -> None:
    """Exact products of f + bias + noise, for which the best rung of each shell is known."""
    shells, rungs = 30, 5
    noise = 4.0 ** -np.arange(rungs)[:, None] * np.linspace(0.01, 60, shells)
    bias = np.array([0.0, 0.02, 0.1, 0.5, 2.0])[:, None]
    modes, signal = 1000.0, 1.0
    cross = modes * (signal - 0.5 * bias * np.ones(shells))  # a bias takes away from what is alike
    own = modes * (signal + 0.5 * noise)
    product = np.empty((rungs, rungs, shells))
    for one in range(rungs):
        for two in range(rungs):
            product[one, two] = modes * (signal + 0.5 * noise[max(one, two)])
    share = choose_rungs(Agreement(cross, product, noise[0]))
    np.testing.assert_allclose(share.sum(0), 1.0)
    best = (cross / np.sqrt(own)).argmax(0)
    assert np.abs(share.argmax(0) - best)[1:].max() <= 1
    assert (share.argmax(0) == best)[1:].mean() > 0.6
    assert share.argmax(0)[-1] > share.argmax(0)[1]


def test_rungs_hold_what_is_asked_for() -> None:
    far = np.random.default_rng(0).exponential(size=1000)
    sets = 1 + np.arange(1000) % 2
    ladder = ladder_around(far, np.ones(1000), sets, least=100)
    assert ladder.number.tolist() == [100, 200, 400, 800, 1000]
    assert ladder_around(far, np.ones(1000), sets, least=100, most=2).number.tolist() == [100, 800, 1000]
    near = float(np.sort(far)[150])
    assert ladder_around(far, np.ones(1000), sets, least=100, narrowest=near).number[0] == 150
    assert ladder_around(far, np.ones(1000), sets, narrowest=100.0).number.tolist() == [1000]
    # of a rung in which one half set has nothing, nothing is known
    sides = np.where(far < np.median(far), 1, 2)
    assert ladder_around(far, np.ones(1000), sides, least=100).number.tolist() == [800, 1000]
    weight = (np.arange(1000) < 300).astype(float)
    kernel = Ladder(far, weight, np.array([1.0, np.inf])).kernels()
    np.testing.assert_allclose(kernel[0], weight * (1 - far**2).clip(0))
    effective = 1 / np.diag(Ladder(far, weight, np.array([1.0, np.inf])).effective())
    np.testing.assert_allclose(effective, kernel.sum(1) ** 2 / (kernel**2).sum(1))
    with pytest.raises(InputError, match="Found 0 particles around a point"):
        ladder_around(far, np.ones(1000), sets, least=0)
    with pytest.raises(InputError, match="Found memory of -1 GB"):
        pairs_at_once(FourierDisk(16, 4.0), -1.0)
