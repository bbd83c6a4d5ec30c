"""FourierDisk: order, Parseval weights, transform and its inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError

BOXES = [15, 16]


def _noise(box: int, count: int = 3) -> torch.Tensor:
    return torch.randn(count, box, box, generator=torch.Generator().manual_seed(box))


def _full_radius(box: int) -> np.ndarray:
    axis = np.fft.fftfreq(box, 1 / box)
    return np.hypot(axis[:, None], axis)


@pytest.mark.parametrize("box", BOXES)
def test_weighted_half_plane_sums_equal_sums_over_the_whole_plane(box: int) -> None:
    image, disk = _noise(box), FourierDisk(box, 1.5)
    whole = np.abs(np.fft.fft2(image.double().numpy())) ** 2 * (_full_radius(box) < box / 2)
    half = (disk.weight * disk.transform(image).abs() ** 2).sum(-1)
    np.testing.assert_allclose(half.numpy(), whole.sum((1, 2)), rtol=1e-5)


@pytest.mark.parametrize("box", BOXES)
def test_parseval_identity_of_band_limited_images(box: int) -> None:
    disk = FourierDisk(box, 1.5)
    values = disk.transform(_noise(box))
    image = disk.inverse(values)
    energy = (disk.weight * values.abs() ** 2).sum(-1) / box**2
    torch.testing.assert_close((image**2).sum((1, 2)), energy, rtol=1e-5, atol=0)


@pytest.mark.parametrize("box", BOXES)
def test_transform_and_inverse_are_a_round_trip(box: int) -> None:
    disk = FourierDisk(box, 1.5)
    image = disk.inverse(disk.transform(_noise(box)))
    torch.testing.assert_close(disk.inverse(disk.transform(image)), image, rtol=0, atol=1e-5)


@pytest.mark.parametrize("box", BOXES)
def test_transform_is_the_fourier_sum_about_the_origin_voxel(box: int) -> None:
    image, disk = _noise(box, 1), FourierDisk(box, 1.5)
    x = torch.arange(box, dtype=torch.float64) - box // 2
    k = disk.index.double() / box
    phase = -2 * torch.pi * (k[:, 1, None, None] * x[:, None] + k[:, 0, None, None] * x)
    direct = (image[0].double() * torch.polar(torch.ones_like(phase), phase)).sum((1, 2))
    torch.testing.assert_close(disk.transform(image)[0], direct.to(torch.complex64), rtol=0, atol=1e-4)


@pytest.mark.parametrize("box", BOXES)
def test_point_at_the_origin_has_a_flat_transform(box: int) -> None:
    image = torch.zeros(1, box, box)
    image[0, box // 2, box // 2] = 1.0
    values = FourierDisk(box, 1.0).transform(image)
    torch.testing.assert_close(values, torch.ones_like(values))


@pytest.mark.parametrize("box", BOXES)
def test_every_frequency_inside_nyquist_is_there_once(box: int) -> None:
    disk = FourierDisk(box, 2.0)
    pairs = {(int(x), int(y)) for x, y in disk.index}
    mates = {(-x, -y) for x, y in pairs}
    assert len(pairs) == len(disk)
    assert len(pairs | mates) == int((_full_radius(box) < box / 2).sum()) == int(disk.weight.sum())
    torch.testing.assert_close(disk.frequency.norm(dim=-1) * box * 2.0, disk.radius)


def test_order_is_by_radius() -> None:
    radius = FourierDisk(21, 1.0).radius
    assert bool((radius.diff() >= 0).all())
    assert radius[0] == 0


@given(st.integers(4, 40), st.floats(0.5, 8.0), st.floats(0.6, 200.0), st.floats(0.6, 200.0))
def test_limit_is_monotone_and_a_prefix(box: int, pixel_size: float, first: float, second: float) -> None:
    disk = FourierDisk(box, pixel_size)
    coarse, fine = (disk.limit(resolution=value) for value in (max(first, second), min(first, second)))
    assert 1 < len(coarse) <= len(fine) <= len(disk)
    assert torch.equal(coarse.place, disk.place[: len(coarse)])
    assert len(fine.limit(resolution=max(first, second))) == len(coarse)
    assert coarse.resolution >= fine.resolution >= disk.resolution
    kept = coarse.radius[-1] <= max(box * pixel_size / max(first, second), 1.0) + 1e-4
    assert bool(kept)


def test_limit_names_the_resolution_it_gives() -> None:
    disk = FourierDisk(32, 2.0)
    assert disk.limit(resolution=8.0).resolution == pytest.approx(8.0)
    assert len(disk.limit(resolution=0.1)) == len(disk)
    assert len(disk.limit()) == len(disk)
    assert len(disk.limit(radius=8.0)) == len(disk.limit(resolution=8.0))


@pytest.mark.parametrize("box", BOXES)
def test_ring_means_equal_those_of_the_whole_plane(box: int) -> None:
    image, disk = _noise(box), FourierDisk(box, 1.0)
    power = np.abs(np.fft.fft2(image.double().numpy())) ** 2
    ring = np.where(_full_radius(box) < box / 2, np.rint(_full_radius(box)), -1)
    expected = np.stack([power[:, ring == s].mean(1) for s in range(int(disk.shell[-1]) + 1)], axis=1)
    measured = disk.ring_mean(disk.transform(image).abs() ** 2)
    np.testing.assert_allclose(measured.numpy(), expected, rtol=1e-4)


def test_scatter_and_gather_are_inverses() -> None:
    disk = FourierDisk(12, 1.0).limit(radius=4.0)
    values = torch.randn(2, len(disk), dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    half = disk.scatter(values)
    assert half.shape == (2, 12, 7)
    torch.testing.assert_close(disk.gather(half), values)
    torch.testing.assert_close(half.abs().sum(), values.abs().sum())


def test_moving_to_a_device_keeps_the_limit() -> None:
    disk = FourierDisk(16, 1.0).limit(radius=4.0).to("cpu")
    assert len(disk) == len(disk.index) == len(disk.weight)
    assert disk.box == 16


@pytest.mark.parametrize(
    ("box", "pixel_size"), [(2, 1.0), (0, 1.0), (16, 0.0), (16, -1.0), (16, float("nan"))]
)
def test_impossible_grid_is_refused(box: int, pixel_size: float) -> None:
    with pytest.raises(InputError, match=rf"found box {box} and pixel size .*wanted a box of at least 3"):
        FourierDisk(box, pixel_size)


def test_image_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match=r"found images of \(8, 9\) pixels; wanted \(8, 8\).*resample"):
        FourierDisk(8, 1.0).transform(torch.zeros(1, 8, 9))
