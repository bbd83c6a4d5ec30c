"""Reconstruction of simulated images: truth, amplitude, weights, half sets, limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from reconstruction.images_in_memory import ImagesInMemory, blobs, simulate_images
from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation, shell_sum
from trimorph.core.imaging import render, shift_phase
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.reconstruction.reconstruct import reconstruct

BOX, PIXEL = 32, 3.0


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    return blobs(BOX, PIXEL)


@pytest.fixture(scope="module")
def noisy(truth: torch.Tensor) -> ImagesInMemory:
    """As many images a voxel as 5,000 of box 64 have."""
    return simulate_images(truth, pixel_size=PIXEL, count=2500, snr=0.1)


@pytest.fixture(scope="module")
def few(truth: torch.Tensor) -> ImagesInMemory:
    return simulate_images(truth, pixel_size=PIXEL, count=300, snr=4.0, seed=7)


def _fsc(first: object, second: object) -> torch.Tensor:
    return fourier_shell_correlation(torch.as_tensor(first), torch.as_tensor(second))


def test_truth_is_found_at_low_signal(noisy: ImagesInMemory, truth: torch.Tensor) -> None:
    result = reconstruct(noisy)
    against_truth = _fsc(truth, result.map)
    assert against_truth[1 : 2 * BOX // 6 + 1].min() >= 0.9  # two thirds of Nyquist
    half = torch.as_tensor(result.fsc[1:14])
    expected = (2 * half / (1 + half)).sqrt()  # of the sum of two halves with the truth
    assert (against_truth[1:14] - expected).abs().max() < 0.06
    assert result.mask is not None
    assert 2 * PIXEL <= result.resolution < 8.0
    assert (result.fsc_masked[4:12] > result.fsc[4:12]).all()


def test_predictions_have_the_amplitude_of_the_images(few: ImagesInMemory) -> None:
    result = reconstruct(few)
    disk = few.disk
    for half, number in ((result.half1, 2), (result.half2, 1)):  # images that the map has not seen
        rows = torch.as_tensor(np.flatnonzero(result.half == number))
        predicted = render(
            VoxelGrid(torch.as_tensor(half)[None], PIXEL),
            rotation=few.rotation[rows],
            shift=None,
            ctf=few.ctf[rows],
            disk=disk,
        )
        ring = [
            disk.ring_mean(a).mean(0)
            for a in ((predicted.conj() * few.image[rows]).real, predicted.abs() ** 2)
        ]
        # a map with noise of its own predicts too much: of <predicted^2>, the share FSC is signal
        slope = ring[0] / ring[1] / torch.as_tensor(result.fsc[: len(ring[0])])
        well = slice(3, 8)  # shells where CTF and signal are strong: FSC of the halves > 0.96
        assert result.fsc[well].min() > 0.96
        assert (slope[well] - 1).abs().max() < 0.03


def test_whole_map_is_on_the_scale_of_the_truth(noisy: ImagesInMemory, truth: torch.Tensor) -> None:
    f, g = torch.fft.rfftn(truth), torch.fft.rfftn(torch.as_tensor(reconstruct(noisy).map))
    slope = shell_sum((f.conj() * g).real) / shell_sum(f.abs() ** 2)
    assert (slope[1:7] - 1).abs().max() < 0.03


def test_particles_of_weight_zero_do_not_count(few: ImagesInMemory) -> None:
    broken = few.image.clone()
    broken[::3] = 1e4
    weights = np.ones(300)
    weights[::3] = 0.0
    kept = np.flatnonzero(weights)
    half = 1 + np.arange(300) // 2 % 2
    found = reconstruct(replace(few, image=broken), weights=weights, half=half)
    part = replace(
        few, image=few.image[kept], rotation=few.rotation[kept], ctf=few.ctf[torch.as_tensor(kept)]
    )
    expected = reconstruct(replace(part, table=few.table.select(kept)), half=half[kept])
    np.testing.assert_allclose(found.map, expected.map, atol=1e-4 * expected.map.max())
    assert (found.half[::3] == 0).all()


def test_shifts_that_are_left_are_applied(few: ImagesInMemory) -> None:
    shift = 6 * torch.randn(300, 2, generator=torch.Generator().manual_seed(1))
    moved = replace(few, image=few.image * shift_phase(-shift, few.disk), shift=shift)
    np.testing.assert_allclose(reconstruct(moved).map, reconstruct(few).map, atol=2e-3)


def test_a_resolution_limit_leaves_the_rest_empty(few: ImagesInMemory, truth: torch.Tensor) -> None:
    result = reconstruct(few, limit=12.0)  # shell 8
    assert _fsc(truth, result.map)[1:8].min() > 0.95
    power = shell_sum(torch.fft.rfftn(torch.as_tensor(result.map)).abs() ** 2)
    assert power[11:].sum() < 1e-3 * power.sum()
    assert not result.fsc[9:].any()
    assert result.resolution > 10.0


def test_file_half_sets_are_used_and_threads_change_nothing(few: ImagesInMemory) -> None:
    half = np.where(np.arange(300) < 120, 1, 2)
    stack = replace(few, table=replace(few.table, half=half))
    told: list[tuple[int, int]] = []
    one = reconstruct(stack, batch_size=128, progress=lambda done, total: told.append((done, total)))
    assert told == [(128, 300), (256, 300), (300, 300)]
    np.testing.assert_array_equal(one.half, half)
    torch.set_num_threads(2)
    try:
        two = reconstruct(stack, batch_size=128)
    finally:
        torch.set_num_threads(1)
    np.testing.assert_allclose(two.map, one.map, atol=1e-5 * one.map.max())
    assert two.half1.dtype == np.float32


def test_dark_images_give_a_map_without_mask(few: ImagesInMemory) -> None:
    flat = replace(few, image=torch.zeros_like(few.image))
    result = reconstruct(flat)
    assert result.mask is None
    assert not result.map.any()
    assert result.resolution == float("inf")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": np.ones(7)}, r"weights: found shape \(7,\); wanted one for each of the 300 particles"),
        (
            {"weights": np.full(300, -1.0)},
            r"weights: found -1\.0 for particle 0 \(300 such\); wanted finite numbers >= 0",
        ),
        ({"weights": np.full(300, np.nan)}, "found nan for particle 0"),
        ({"weights": np.zeros(300)}, "found 0 particles in half set 1, 0 in half set 2"),
        ({"half": np.ones(300, int)}, "found 300 particles in half set 1, 0 in half set 2"),
        ({"half": np.arange(300)}, "298 in neither; wanted some in each and none outside"),
        ({"limit": -3.0}, r"limit: found -3\.0 Å; wanted a positive number"),
        ({"device": "tpu"}, 'Device: found "tpu"; wanted cpu or cuda'),
        ({"half": np.ones(3, int)}, r"Half sets: found shape \(3,\); wanted one for each"),
    ],
)
def test_wrong_weights_and_half_sets(few: ImagesInMemory, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        reconstruct(few, **options)
