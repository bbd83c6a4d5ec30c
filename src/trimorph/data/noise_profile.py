"""NoiseProfile: coloured noise with a radial power spectrum."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError


@dataclass(frozen=True, eq=False)
class NoiseProfile:
    """Power of noise on rings, relative to white noise of the same variance.

    ``frequency`` in 1/Å (rising) and ``power`` (any scale); beyond the last ring the power stays. White noise
    is one ring of power one.
    """

    frequency: NDArray[np.float64]
    power: NDArray[np.float64]

    def filter(self, box: int, pixel_size: float) -> NDArray[np.float32]:
        """Amplitude on the half plane of ``rfft2``, scaled so that unit white noise keeps its variance."""
        k = np.hypot(np.fft.fftfreq(box, pixel_size)[:, None], np.fft.rfftfreq(box, pixel_size))
        power = np.interp(k, self.frequency, self.power)
        column = np.arange(box // 2 + 1)
        mates = np.where((column == 0) | (2 * column == box), 1.0, 2.0)
        return np.sqrt(power * box**2 / (power * mates).sum()).astype(np.float32)

    def ring_power(self, box: int, pixel_size: float) -> NDArray[np.float64]:
        """E|F(k)|^2 on rings 0 to that of Nyquist, for noise of variance one a pixel (core/conventions)."""
        disk = FourierDisk(box, pixel_size)
        amplitude = disk.gather(torch.from_numpy(self.filter(box, pixel_size)).to(torch.complex64))
        return np.asarray(disk.ring_mean(amplitude.real**2).double().numpy()) * box**2


def white_noise() -> NoiseProfile:
    """A flat spectrum.

    >>> bool(np.allclose(white_noise().filter(8, 2.0), 1.0))
    True
    """
    return NoiseProfile(np.zeros(1), np.ones(1))


def read_noise_profile(path: Path, *, pixel_size: float) -> NoiseProfile:
    """Read radial noise power, ring 0 first, from .npy or .txt (one value a line) or .npz.

    Of an .npz file the array ``noise_power`` is taken, or the one whose name begins with ``noise_radial``.
    Where the file also tells ``D`` (or ``box``) and ``apix`` (or ``pixel_size``) of the images that it was
    measured on, ring i stands for i / (D apix); else the last ring is the Nyquist frequency of ``pixel_size``
    Å.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file. Give a .npz, .npy or .txt file with radial noise power."
        )
    power, step = _read(path)
    if power.ndim != 1 or len(power) < 2 or not (np.isfinite(power).all() and (power > 0).all()):
        raise InputError(
            f"{path}: found an array of shape {power.shape}; wanted one positive power a ring, from ring 0."
        )
    if step is None:
        step = 0.5 / (pixel_size * (len(power) - 1))
    return NoiseProfile(np.arange(len(power), dtype=np.float64) * step, power)


def _read(path: Path) -> tuple[NDArray[np.float64], float | None]:
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False), float), None
        if path.suffix != ".npz":
            return np.loadtxt(path, dtype=np.float64, ndmin=1), None
        with np.load(path, allow_pickle=False) as file:
            names = [n for n in file.files if n == "noise_power" or n.startswith("noise_radial")]
            if not names:
                raise InputError(
                    f"{path}: found {', '.join(file.files)}; wanted an array noise_power or noise_radial*."
                )
            box = next((int(file[n]) for n in ("D", "box") if n in file.files), None)
            size = next((float(file[n]) for n in ("apix", "pixel_size") if n in file.files), None)
            step = None if box is None or size is None else 1 / (box * size)
            return np.asarray(file[names[0]], float), step
    except InputError:
        raise
    except (ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as radial noise power: {error}.") from error
