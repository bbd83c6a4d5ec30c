"""Half-map FSC: unmasked, masked, and corrected for what the mask adds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation, resolution_at

Curve = NDArray[np.float32]
RANDOMISE_BELOW = 0.8


@dataclass(frozen=True, eq=False)
class ShellCorrelation:
    """FSC curves of two densities on shells 0 to ``box // 2``; shell s is at s / (box pixel_size) in 1/Å.

    ``masked`` is after multiplication by the mask, ``randomised`` the same of densities whose phases were
    randomised beyond shell ``randomised_from``, ``corrected`` = (masked - randomised) / (1 - randomised)
    there. All three are None without a mask.
    """

    box: int
    pixel_size: float
    unmasked: Curve
    masked: Curve | None = None
    randomised: Curve | None = None
    corrected: Curve | None = None
    randomised_from: int = 0

    @property
    def best(self) -> Curve:
        """The curve that is quoted: the corrected one, without a mask the unmasked one."""
        return self.unmasked if self.corrected is None else self.corrected

    @cached_property
    def frequency(self) -> Curve:
        """Frequencies of the shells in 1/Å."""
        return (np.arange(len(self.unmasked)) / (self.box * self.pixel_size)).astype(np.float32)

    def resolution(self, threshold: float = 0.143, curve: Curve | None = None) -> float:
        """Resolution in Å where the quoted (or another) curve first falls below ``threshold``."""
        values = torch.as_tensor(self.best if curve is None else curve)
        return resolution_at(values, threshold, box=self.box, pixel_size=self.pixel_size)


def shell_correlation(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    *,
    pixel_size: float,
    mask: NDArray[np.float32] | None = None,
    last: int | None = None,
    seed: int = 0,
) -> ShellCorrelation:
    """FSC of two densities; with a mask also the masked FSC, corrected by phase randomisation.

    Phases are randomised from the shell where the unmasked FSC first falls below 0.8, and the correction
    begins two shells later. Beyond shell ``last``, up to which the densities are known, the FSC is 0.
    Source: Chen et al., Ultramicroscopy 135 (2013) 24, eq. 4.
    """
    if first.shape != second.shape or len(set(first.shape)) != 1:
        raise InputError(
            f"FSC: found densities of {first.shape} and {second.shape} voxels; wanted two equal cubes. "
            "Crop or resample one to the other."
        )
    box = len(first)
    unmasked = _curve(first, second, last)
    if mask is None:
        return ShellCorrelation(box, pixel_size, unmasked)
    if mask.shape != first.shape:
        raise InputError(
            f"FSC: found a mask of {mask.shape} and densities of {first.shape} voxels; wanted the same. "
            "Make the mask on the grid of the densities."
        )
    masked = _curve(first * mask, second * mask, last)
    below = np.flatnonzero(unmasked[1:] < RANDOMISE_BELOW)
    start = max(int(below[0]) + 1, 2) if len(below) else box // 2
    noise = [randomise_phases(half, start=start, seed=seed + i) for i, half in enumerate((first, second))]
    randomised = _curve(noise[0] * mask, noise[1] * mask, last)
    corrected = masked.copy()
    beyond = slice(start + 2, None)
    corrected[beyond] = (masked[beyond] - randomised[beyond]) / np.maximum(1 - randomised[beyond], 1e-3)
    return ShellCorrelation(box, pixel_size, unmasked, masked, randomised, corrected, start)


def randomise_phases(density: NDArray[np.float32], *, start: int, seed: int) -> NDArray[np.float32]:
    """The density with random phases from radius ``start`` (in Fourier pixels) on, its amplitudes kept.

    The phases are those of a real white-noise map, so they are Hermitian and the result is real.
    """
    box = len(density)
    noise = np.random.default_rng(seed).standard_normal(density.shape).astype(np.float32)
    transform = torch.fft.rfftn(torch.tensor(density))
    phase = torch.fft.rfftn(torch.as_tensor(noise))
    axis = torch.fft.fftfreq(box, 1 / box)
    last = torch.arange(box // 2 + 1)
    radius = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + last**2).sqrt()
    random = torch.where(radius >= start, transform.abs() * phase / phase.abs(), transform)
    return torch.fft.irfftn(random, s=density.shape).numpy()


def _curve(first: NDArray[np.float32], second: NDArray[np.float32], last: int | None) -> Curve:
    curve: Curve = fourier_shell_correlation(torch.tensor(first), torch.tensor(second)).numpy()
    if last is not None:
        curve[last + 1 :] = 0.0
    return curve
