"""Filters of a finished density: FSC weighting, B-factor sharpening, low-pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EDGE = 0.1
"""Width of the low-pass filter's cosine edge as a fraction of its frequency."""


def postprocess(
    half1: NDArray[np.float32],
    half2: NDArray[np.float32],
    *,
    pixel_size: float,
    fsc: NDArray[np.float32],
    b_factor: float = 0.0,
    low_pass: float | None = None,
) -> NDArray[np.float32]:
    """Mean of the half maps, weighted by sqrt(2 FSC / (1 + FSC)), times exp(-B k^2 / 4), low-passed.

    A ``b_factor`` in Å^2 below zero sharpens. Source: Rosenthal & Henderson, J. Mol. Biol. 333 (2003) 721.
    """
    correlation = np.clip(fsc, 0.0, 1.0)
    weight = np.sqrt(2 * correlation / (1 + correlation))
    radius = _frequency(len(half1), pixel_size) * len(half1) * pixel_size
    factor = np.interp(radius, np.arange(len(weight)), weight, right=0.0)
    factor = factor * _envelope(len(half1), pixel_size, b_factor, low_pass)
    return _filtered(0.5 * (half1 + half2), factor)


def sharpen(
    density: NDArray[np.float32],
    *,
    pixel_size: float,
    b_factor: float = 0.0,
    low_pass: float | None = None,
) -> NDArray[np.float32]:
    """Multiply the transform by exp(-B k^2 / 4), and fade it out at ``low_pass`` Å.

    B in Å^2: a negative one sharpens. The edge is a half cosine centred on the resolution.
    """
    if b_factor == 0.0 and low_pass is None:
        return density
    return _filtered(density, _envelope(len(density), pixel_size, b_factor, low_pass))


def _envelope(box: int, pixel_size: float, b_factor: float, low_pass: float | None) -> NDArray[np.float64]:
    frequency = _frequency(box, pixel_size)
    factor = np.exp(-0.25 * b_factor * frequency**2)
    if low_pass is None:
        return factor
    distance = (frequency * low_pass - 1) / EDGE
    return factor * (0.5 - 0.5 * np.sin(np.pi * np.clip(distance, -0.5, 0.5)))


def _frequency(box: int, pixel_size: float) -> NDArray[np.float64]:
    axis, last = np.fft.fftfreq(box, pixel_size), np.fft.rfftfreq(box, pixel_size)
    return np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + last**2)


def _filtered(density: NDArray[np.float32], factor: NDArray[np.float64]) -> NDArray[np.float32]:
    transform = np.fft.rfftn(density) * factor
    return np.fft.irfftn(transform, s=density.shape, axes=(0, 1, 2)).astype(np.float32)
