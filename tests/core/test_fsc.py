"""FSC against a plain sum over rounded shells, and resolutions at the first crossing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimorph.core.fsc import fourier_shell_correlation, resolution_at


def _plain(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Full transforms, rint shells, numpy alone."""
    box = len(first)
    f, g = np.fft.fftn(first.astype(np.float64)), np.fft.fftn(second.astype(np.float64))
    k = np.fft.fftfreq(box, 1 / box)
    shell = np.rint(np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)).astype(int)
    curve = []
    for s in range(box // 2 + 1):
        a, b = f[shell == s], g[shell == s]
        curve.append((a * b.conj()).sum().real / np.sqrt((abs(a) ** 2).sum() * (abs(b) ** 2).sum()))
    return np.array(curve)


@pytest.mark.parametrize("box", [16, 17])
def test_agrees_with_the_plain_sum(box: int) -> None:
    generator = np.random.default_rng(box)
    first = generator.standard_normal((box, box, box)).astype(np.float32)
    second = first + generator.standard_normal((box, box, box)).astype(np.float32)
    found = fourier_shell_correlation(torch.as_tensor(first), torch.as_tensor(second)).numpy()
    np.testing.assert_allclose(found, _plain(first, second), atol=1e-5)


def test_known_correlation_of_signal_and_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    signal, a, b = torch.randn(3, 48, 48, 48, generator=generator)
    curve = fourier_shell_correlation(signal + a, signal + b)
    assert (curve[12:] - 0.5).abs().max() < 0.05


def test_batches_and_scale_do_not_matter() -> None:
    pair = torch.randn(2, 12, 12, 12, generator=torch.Generator().manual_seed(1))
    both = fourier_shell_correlation(pair, 7.5 * pair.flip(0))
    torch.testing.assert_close(both[0], fourier_shell_correlation(pair[0], pair[1]))
    torch.testing.assert_close(both[0], both[1])


def test_an_empty_map_correlates_with_nothing() -> None:
    assert not fourier_shell_correlation(torch.zeros(8, 8, 8), torch.ones(8, 8, 8)).any()


@pytest.mark.parametrize(
    ("curve", "threshold", "shell"),
    [
        ([1.0, 0.9, 0.5, 0.1, 0.0], 0.3, 2.5),  # between shells 2 and 3
        ([1.0, 0.9, 0.1, 0.9, 0.1], 0.5, 1.5),  # the first crossing, not the last
    ],
)
def test_resolution_is_at_the_first_crossing(curve: list[float], threshold: float, shell: float) -> None:
    found = resolution_at(torch.tensor(curve), threshold, box=8, pixel_size=2.0)
    assert found == pytest.approx(16.0 / shell, rel=1e-5)


def test_resolution_ends_at_nyquist_and_starts_at_infinity() -> None:
    assert resolution_at(torch.ones(5), 0.143, box=8, pixel_size=2.0) == 4.0
    assert resolution_at(torch.tensor([1.0, 0.1, 0.9]), 0.5, box=4, pixel_size=2.0) == float("inf")
