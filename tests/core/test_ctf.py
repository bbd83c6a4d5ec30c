"""CTF: formula, signs, azimuth, limits, and an independent program's values."""

from __future__ import annotations

from math import asin, pi

import numpy as np
import pytest
import torch
from torch_ctf import calculate_ctf_2d

from trimorph.core.ctf import CTF, electron_wavelength
from trimorph.core.disk import FourierDisk

DISK = FourierDisk(48, 1.3)


def _on_line(disk: FourierDisk, axis: int) -> torch.Tensor:
    """Pixels of the disk on the line along kx (0) or ky (1)."""
    return disk.index[:, 1 - axis] == 0


@pytest.mark.parametrize(("voltage", "angstrom"), [(100.0, 0.037014), (200.0, 0.025079), (300.0, 0.019687)])
def test_wavelength_of_the_textbooks(voltage: float, angstrom: float) -> None:
    assert float(electron_wavelength(torch.tensor(voltage))) == pytest.approx(angstrom, abs=1e-6)


def test_equals_the_formula_with_an_explicit_azimuth() -> None:
    u, v, angle, phase, kv, cs, w, b, scale = 18000.0, 13000.0, 0.7, 0.3, 200.0, 1.4, 0.08, 40.0, 0.9
    ctf = CTF(u, v, angle, phase, kv, cs, w, b, scale)(DISK)[0]
    kx, ky = DISK.frequency.double().numpy().T
    k2, azimuth = kx**2 + ky**2, np.arctan2(ky, kx)
    volt = kv * 1e3
    wavelength = 12.2642598 / np.sqrt(volt * (1 + 9.7847561e-7 * volt))
    defocus = 0.5 * (u + v) + 0.5 * (u - v) * np.cos(2 * (azimuth - angle))
    gamma = pi * wavelength * k2 * defocus - 0.5 * pi * cs * 1e7 * wavelength**3 * k2**2 + phase
    expected = np.sqrt(1 - w**2) * np.sin(gamma) + w * np.cos(gamma)
    expected = scale * np.exp(-b * k2 / 4) * expected
    np.testing.assert_allclose(ctf.numpy(), expected, atol=2e-4)


@pytest.mark.parametrize("angle", [0.0, 35.0, 90.0, 140.0])
def test_agrees_with_torch_ctf(angle: float) -> None:
    box, pixel_size = 64, 1.5
    disk = FourierDisk(box, pixel_size)
    ours = CTF(
        defocus_u=16000.0,
        defocus_v=12000.0,
        defocus_angle=np.deg2rad(angle),
        phase_shift=0.2,
        amplitude_contrast=0.1,
    )(disk)[0]
    theirs = calculate_ctf_2d(
        defocus=1.4,
        astigmatism=0.2,
        astigmatism_angle=angle,
        voltage=300.0,
        spherical_aberration=2.7,
        amplitude_contrast=0.1,
        phase_shift=float(np.rad2deg(0.2)),
        pixel_size=pixel_size,
        image_shape=(box, box),
        rfft=True,
        fftshift=False,
    )
    # the two differ by the constants behind the wavelength
    torch.testing.assert_close(ours, disk.gather(theirs.to(torch.complex64)).real, rtol=0, atol=2.5e-3)


def test_sign_at_zero_frequency_and_first_lobe() -> None:
    ctf = CTF(defocus_u=15000.0, defocus_v=15000.0, amplitude_contrast=0.07)(DISK)[0]
    assert float(ctf[0]) == pytest.approx(0.07)
    first_zero = int(torch.nonzero(ctf < 0)[0])
    assert bool((ctf[:first_zero] > 0).all())
    assert float(ctf[:first_zero].max()) > 0.95
    over = CTF(defocus_u=-15000.0, defocus_v=-15000.0, amplitude_contrast=0.07)(DISK)[0]
    assert float(over[0]) == pytest.approx(0.07)
    assert float(over[:first_zero].min()) < -0.8


def test_defocus_u_lies_along_its_angle() -> None:
    along_x, along_y = _on_line(DISK, 0), _on_line(DISK, 1)
    u, v = (CTF(defocus_u=value, defocus_v=value)(DISK)[0] for value in (20000.0, 10000.0))
    zero = CTF(defocus_u=20000.0, defocus_v=10000.0, defocus_angle=0.0)(DISK)[0]
    torch.testing.assert_close(zero[along_x], u[along_x], rtol=0, atol=1e-4)
    torch.testing.assert_close(zero[along_y], v[along_y], rtol=0, atol=1e-4)
    # at 45 degrees the line kx = ky > 0, towards +x and +y, sees defocus_u, and kx = -ky sees defocus_v
    tilted = CTF(defocus_u=20000.0, defocus_v=10000.0, defocus_angle=pi / 4)(DISK)[0]
    up, down = DISK.index[:, 0] == DISK.index[:, 1], DISK.index[:, 0] == -DISK.index[:, 1]
    torch.testing.assert_close(tilted[up], u[up], rtol=0, atol=1e-4)
    torch.testing.assert_close(tilted[down], v[down], rtol=0, atol=1e-4)


def test_exchanging_the_axes_of_astigmatism_is_a_quarter_turn() -> None:
    one = CTF(defocus_u=20000.0, defocus_v=10000.0, defocus_angle=0.4)(DISK)
    two = CTF(defocus_u=10000.0, defocus_v=20000.0, defocus_angle=0.4 + pi / 2)(DISK)
    torch.testing.assert_close(one, two, rtol=0, atol=1e-4)


def test_b_factor_and_scale_multiply() -> None:
    plain = CTF(defocus_u=15000.0, defocus_v=14000.0)(DISK)
    damped = CTF(defocus_u=15000.0, defocus_v=14000.0, b_factor=100.0, scale=0.5)(DISK)
    k2 = (DISK.frequency**2).sum(-1)
    torch.testing.assert_close(damped, 0.5 * torch.exp(-25.0 * k2) * plain, rtol=0, atol=1e-6)


def test_phase_shift_is_amplitude_contrast_by_another_name() -> None:
    w = 0.3
    by_contrast = CTF(defocus_u=15000.0, defocus_v=14000.0, amplitude_contrast=w)(DISK)
    by_phase = CTF(defocus_u=15000.0, defocus_v=14000.0, amplitude_contrast=0.0, phase_shift=asin(w))(DISK)
    torch.testing.assert_close(by_contrast, by_phase, rtol=0, atol=1e-5)


def test_perfect_phase_plate_in_focus_transfers_everything() -> None:
    plate = CTF(
        defocus_u=0.0, defocus_v=0.0, phase_shift=pi / 2, amplitude_contrast=0.0, spherical_aberration=0.0
    )
    torch.testing.assert_close(plate(DISK), torch.ones(1, len(DISK)))
    pure_amplitude = CTF(defocus_u=0.0, defocus_v=0.0, amplitude_contrast=1.0, spherical_aberration=0.0)
    torch.testing.assert_close(pure_amplitude(DISK), torch.ones(1, len(DISK)))
    pure_phase = CTF(defocus_u=0.0, defocus_v=0.0, amplitude_contrast=0.0, spherical_aberration=0.0)
    torch.testing.assert_close(pure_phase(DISK), torch.zeros(1, len(DISK)))


def test_every_parameter_may_differ_between_particles() -> None:
    rows = CTF(
        defocus_u=np.array([12000.0, 20000.0, 9000.0]),
        defocus_v=torch.tensor([11000.0, 21000.0, 9000.0]),
        defocus_angle=np.array([0.1, 1.0, 2.0]),
        phase_shift=np.array([0.0, 0.5, 1.5]),
        voltage=np.array([100.0, 200.0, 300.0]),
        spherical_aberration=np.array([1.4, 2.7, 0.01]),
        amplitude_contrast=np.array([0.07, 0.1, 0.15]),
        b_factor=np.array([0.0, 50.0, 10.0]),
        scale=np.array([1.0, 0.9, 1.1]),
    )
    together = rows(DISK)
    assert len(rows) == 3
    assert together.shape == (3, len(DISK))
    for i in range(3):
        torch.testing.assert_close(rows[i : i + 1](DISK)[0], together[i])
    torch.testing.assert_close(rows[np.array([2, 0])](DISK), together[[2, 0]])
    torch.testing.assert_close(rows.to("cpu")(DISK), together)
    assert len(rows.to("cpu")) == 3
    assert len(CTF(defocus_u=1.0, defocus_v=1.0)) == 1


def test_scalars_stay_scalars_when_rows_are_taken() -> None:
    part = CTF(defocus_u=np.array([1e4, 2e4]), defocus_v=np.array([1e4, 2e4]), voltage=200.0)[1:]
    assert part.voltage == 200.0
    assert len(part) == 1
