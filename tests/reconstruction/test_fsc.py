"""Half-map FSC: random phases, masks and the correction for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.reconstruction.fsc import randomise_phases, shell_correlation
from trimorph.reconstruction.mask import spherical_mask


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("box", [24, 25])
def test_random_phases_keep_amplitudes_and_low_shells(box: int) -> None:
    density = _noise(box, box, box)
    random = randomise_phases(density, start=6, seed=1)
    before, after = np.fft.fftn(density), np.fft.fftn(random)  # of a real map: Hermitian by itself
    np.testing.assert_allclose(abs(after), abs(before), rtol=2e-3, atol=2e-2)
    curve = fourier_shell_correlation(torch.as_tensor(density), torch.as_tensor(random)).numpy()
    np.testing.assert_allclose(curve[:5], 1.0, atol=1e-4)
    assert abs(curve[7:]).max() < 0.15


def test_correction_takes_away_what_the_mask_adds() -> None:
    box = 48
    k = np.fft.fftfreq(box, 1 / box)
    radius = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    shared = np.fft.ifftn(np.fft.fftn(_noise(box, box, box)) * (radius < 9)).real
    first, second = (shared + 0.05 * _noise(box, box, box, seed=s) for s in (1, 2))
    mask = spherical_mask(box, radius=5.0, edge=2.0)
    curves = shell_correlation(
        first.astype(np.float32), second.astype(np.float32), pixel_size=2.0, mask=mask, seed=3
    )
    assert curves.masked is not None
    assert curves.corrected is not None
    assert 8 <= curves.randomised_from <= 10
    # the smooth mask carries correlation from the shared shells outward; noise there shares nothing
    assert curves.masked[9:13].max() > 0.3
    assert abs(curves.corrected[curves.randomised_from + 4 :]).max() < 0.35
    assert abs(curves.unmasked[12:]).max() < 0.1


def test_the_corrected_curve_is_the_formula() -> None:
    first, second = _noise(2, 24, 24, 24)
    second = second + 2 * first
    curves = shell_correlation(
        first, second, pixel_size=1.0, mask=spherical_mask(24, radius=6.0, edge=3.0), seed=0
    )
    masked, randomised, corrected = curves.masked, curves.randomised, curves.corrected
    assert masked is not None
    assert randomised is not None
    assert corrected is not None
    start = curves.randomised_from + 2
    np.testing.assert_array_equal(corrected[:start], masked[:start])
    expected = (masked[start:] - randomised[start:]) / (1 - randomised[start:])
    np.testing.assert_allclose(corrected[start:], expected, rtol=1e-5)


def test_without_a_mask_the_unmasked_curve_is_quoted() -> None:
    curves = shell_correlation(_noise(16, 16, 16), _noise(16, 16, 16), pixel_size=2.0)
    assert curves.corrected is None
    assert curves.best is curves.unmasked
    assert curves.resolution() == 4.0
    np.testing.assert_allclose(curves.frequency[-1], 0.25)


def test_maps_and_masks_of_other_sizes_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(16, 16, 16\) and \(12, 12, 12\) voxels; wanted two equal cubes"):
        shell_correlation(_noise(16, 16, 16), _noise(12, 12, 12), pixel_size=1.0)
    with pytest.raises(InputError, match=r"a mask of \(12, 12, 12\) .* wanted the same"):
        shell_correlation(
            _noise(16, 16, 16), _noise(16, 16, 16), pixel_size=1.0, mask=np.ones((12,) * 3, np.float32)
        )
