"""Comparisons of images: known answers and the same numbers from real space."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.losses import (
    correlation,
    correlation_score,
    fourier_ring_correlation,
    ring_score,
    whitened_likelihood,
)

BOXES = [31, 32]


def _noise(box: int, count: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(count, box, box, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("box", BOXES)
def test_likelihood_of_pure_noise_is_half_the_number_of_pixels(box: int) -> None:
    disk, sigma = FourierDisk(box, 1.0), 1.7
    values = disk.transform(sigma * _noise(box, 200))
    power = torch.full((200, len(disk)), box**2 * sigma**2)
    loss = whitened_likelihood(torch.zeros_like(values), values, power=power, disk=disk)
    pixels = float(disk.weight.sum())
    assert float(loss.mean()) == pytest.approx(pixels / 2, rel=0.01)
    # chi-squared: variance pixels / 2
    assert float(loss.std()) == pytest.approx((pixels / 2) ** 0.5, rel=0.15)


@pytest.mark.parametrize("box", BOXES)
def test_likelihood_equals_that_of_real_space(box: int) -> None:
    """White noise of variance s^2: sum over pixels of (a - b)^2 / (2 s^2), images being band-limited."""
    disk, sigma = FourierDisk(box, 1.0), 0.6
    first, second = (disk.inverse(disk.transform(_noise(box, seed=seed))) for seed in (1, 2))
    power = torch.full((4, len(disk)), box**2 * sigma**2)
    loss = whitened_likelihood(disk.transform(first), disk.transform(second), power=power, disk=disk)
    expected = ((first - second) ** 2).sum((1, 2)) / (2 * sigma**2)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=0)


def test_likelihood_of_the_truth_is_zero_and_least() -> None:
    disk = FourierDisk(16, 1.0)
    truth = disk.transform(_noise(16))
    power = torch.ones(4, len(disk))
    assert whitened_likelihood(truth, truth, power=power, disk=disk).tolist() == [0.0] * 4
    predicted = truth.clone().requires_grad_()
    whitened_likelihood(predicted, truth + 1, power=power, disk=disk).sum().backward()
    assert predicted.grad is not None
    torch.testing.assert_close(predicted.grad, -disk.weight.expand(4, -1).to(torch.complex64))


@pytest.mark.parametrize("box", BOXES)
def test_correlation_equals_pearsons_in_real_space(box: int) -> None:
    disk = FourierDisk(box, 1.0)
    first = disk.inverse(disk.transform(_noise(box, seed=1)))
    second = disk.inverse(disk.transform(_noise(box, seed=2) + 0.5 * first)) + 3.0
    ours = correlation(disk.transform(first), disk.transform(second), disk=disk)
    for i in range(4):
        pearson = np.corrcoef(first[i].flatten().numpy(), second[i].flatten().numpy())[0, 1]
        assert float(ours[i]) == pytest.approx(pearson, abs=1e-4)


def test_correlation_of_what_is_known() -> None:
    disk = FourierDisk(16, 1.0)
    values = disk.transform(_noise(16))
    ones, power = torch.ones(4), 1 + torch.rand(4, len(disk), generator=torch.Generator().manual_seed(5))
    for weight in (None, power):
        torch.testing.assert_close(correlation(values, 7 * values, disk=disk, power=weight), ones)
        torch.testing.assert_close(correlation(values, -2 * values, disk=disk, power=weight), -ones)
        torch.testing.assert_close(
            correlation(values, 1j * values, disk=disk, power=weight), 0 * ones, rtol=0, atol=1e-6
        )
        nothing = correlation(values, torch.zeros_like(values), disk=disk, power=weight)
        torch.testing.assert_close(nothing, 0 * ones)


def test_whitening_weights_the_pixels_by_the_inverse_power() -> None:
    """Two pictures that agree at low and differ at high frequency correlate more, the noisier the latter."""
    disk = FourierDisk(32, 1.0)
    values = disk.transform(_noise(32))
    low = disk.radius < 8
    other = torch.where(low, values, -values)
    power = torch.where(low, 1.0, 100.0).expand(4, -1)
    flat = correlation(values, other, disk=disk)
    white = correlation(values, other, disk=disk, power=power)
    assert bool((flat < 0).all())
    assert bool((white > 0.5).all())


def test_ring_correlation_of_what_is_known() -> None:
    disk = FourierDisk(32, 1.0)
    values = disk.transform(_noise(32))
    rings = int(disk.shell[-1]) + 1
    sign = torch.where(disk.shell % 2 == 0, 1.0, -1.0)
    frc = fourier_ring_correlation(values, 3 * sign * values, disk=disk)
    assert frc.shape == (4, rings)
    torch.testing.assert_close(frc, (1.0 - 2 * (torch.arange(rings) % 2)).expand(4, -1))
    zero = fourier_ring_correlation(values, torch.zeros_like(values), disk=disk)
    torch.testing.assert_close(zero, torch.zeros(4, rings))


def test_ring_correlation_of_noise_follows_the_signal_to_noise_ratio() -> None:
    """Truth against truth + noise of equal power: 1 / sqrt(1 + 1 / SNR)."""
    disk = FourierDisk(64, 1.0)
    truth = disk.transform(_noise(64, 40, seed=1))
    for snr in (4.0, 0.25):
        noise = disk.transform(_noise(64, 40, seed=2)) / snr**0.5
        frc = fourier_ring_correlation(truth, truth + noise, disk=disk).mean(0)
        expected = 1 / (1 + 1 / snr) ** 0.5
        assert float((frc[4:] - expected).abs().max()) < 0.04


@pytest.mark.parametrize("snr", [3.0, 0.3, 0.03])
def test_ring_score_is_in_nats(snr: float) -> None:
    """At the truth, the variance of its slope is its curvature, as for the likelihood: by differences."""
    box, count, step = 32, 3000, 0.02
    disk = FourierDisk(box, 1.0)
    sharp = torch.exp(-disk.radius / 6)
    truth, change = (disk.transform(_noise(box, 1, seed=seed)) * sharp for seed in (1, 2))
    sigma = float(((truth.abs() ** 2 * disk.weight).sum() / disk.weight.sum() / snr).sqrt()) / box
    images = truth + disk.transform(sigma * _noise(box, count, seed=3))
    power = torch.full(images.shape, box**2 * sigma**2)

    def score(place: float) -> Tensor:
        predicted = (truth + place * change).expand(count, -1)
        return ring_score(predicted, images, power=power, disk=disk).double()

    below, here, above = score(-step), score(0.0), score(step)
    curvature = float(((above + below - 2 * here) / step**2).mean())
    assert curvature == pytest.approx(float(((above - below) / (2 * step)).var()), rel=0.15)


def test_ring_score_takes_whole_rings_alike() -> None:
    """One minus the mean over rings 1 to 7, whatever is in the mean and in the ring that the limit cuts."""
    disk = FourierDisk(32, 1.0).limit(radius=8.2)
    truth = disk.transform(_noise(32))
    power = torch.ones(4, len(disk))
    wrong = torch.where((disk.shell == 0) | (disk.shell == 8), -truth, truth)
    scores = [
        ring_score(torch.where(disk.shell == ring, 0.0, 5 * truth), truth, power=power, disk=disk)
        for ring in range(1, 8)
    ]
    for one in scores[1:]:
        torch.testing.assert_close(one, scores[0])
    assert float(scores[0].min()) > 0
    assert bool((ring_score(wrong, truth, power=power, disk=disk).abs() < 1e-5 * scores[0]).all())


def test_losses_have_finite_gradients_where_an_image_is_zero() -> None:
    disk = FourierDisk(16, 1.0)
    observed = disk.transform(_noise(16))
    predicted = torch.zeros_like(observed, requires_grad=True)
    total = correlation(predicted, observed, disk=disk).sum()
    total = total + fourier_ring_correlation(predicted, observed, disk=disk).sum()
    total.backward()
    assert predicted.grad is not None
    assert bool(torch.view_as_real(predicted.grad).isfinite().all())


def test_a_correlation_weighs_a_step_from_the_truth_as_the_likelihood_does() -> None:
    """For a small step that leaves the scale alone; and it does not mind the scale."""
    disk, count = FourierDisk(64, 1.0), 200
    signal, step, noise = (disk.transform(_noise(64, count, seed)) for seed in (1, 2, 3))
    signal = 0.7 * signal * (disk.radius > 0)

    def inner(a: Tensor, b: Tensor) -> Tensor:
        return ((a * b.conj()).real * disk.weight).sum(-1, keepdim=True)

    step = 0.05 * (step - inner(step, signal) / inner(signal, signal) * signal) * (disk.radius > 0)
    power = torch.full((count, len(disk)), 64.0**2)

    def gain(compared: Callable[..., Tensor]) -> Tensor:
        before, after = (
            compared(image, signal + noise, power=power, disk=disk) for image in (signal, signal + step)
        )
        return after - before

    by_correlation, by_likelihood = gain(correlation_score), gain(whitened_likelihood)
    assert float((by_correlation - by_likelihood).std() / by_likelihood.std()) < 0.1
    assert float(by_correlation.mean()) == pytest.approx(float(by_likelihood.mean()), rel=0.1)
    scores = [
        correlation_score(scale * signal, signal + noise, power=power, disk=disk) for scale in (1.0, 3.0)
    ]
    torch.testing.assert_close(scores[0], scores[1], rtol=1e-4, atol=1e-2)
