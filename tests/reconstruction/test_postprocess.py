"""Filters: B-factor and low-pass on single Fourier modes, FSC weighting."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.reconstruction.postprocess import postprocess, sharpen

BOX, PIXEL = 24, 2.0


def _wave(shell: int) -> np.ndarray:
    x = np.arange(BOX) * 2 * np.pi * shell / BOX
    return np.broadcast_to(np.cos(x), (BOX, BOX, BOX)).astype(np.float32)


@pytest.mark.parametrize("shell", [2, 5, 9])
def test_a_b_factor_scales_each_frequency(shell: int) -> None:
    k = shell / (BOX * PIXEL)
    found = sharpen(_wave(shell), pixel_size=PIXEL, b_factor=-90.0)
    np.testing.assert_allclose(found, _wave(shell) * np.exp(90 * k**2 / 4), atol=1e-5)


def test_a_low_pass_keeps_halves_and_drops() -> None:
    at = BOX * PIXEL / 6  # resolution of shell 6
    for shell, share in ((5, 1.0), (6, 0.5), (7, 0.0)):
        found = sharpen(_wave(shell), pixel_size=PIXEL, low_pass=at)
        np.testing.assert_allclose(found, share * _wave(shell), atol=1e-5)


def test_nothing_to_do_gives_the_density_back() -> None:
    density = _wave(3)
    assert sharpen(density, pixel_size=PIXEL) is density


def test_fsc_weighting() -> None:
    fsc = np.where(np.arange(BOX // 2 + 1) <= 4, 1.0, 0.6).astype(np.float32)
    fsc[8:] = -0.1
    for shell, share in ((3, 1.0), (6, (1.2 / 1.6) ** 0.5), (9, 0.0)):
        found = postprocess(_wave(shell), 3 * _wave(shell), pixel_size=PIXEL, fsc=fsc)
        np.testing.assert_allclose(found, 2 * share * _wave(shell), atol=1e-5)
