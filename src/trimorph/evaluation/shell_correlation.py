"""Fourier shell correlations of many maps with few true ones, in our shells and in CryoBench's.

Letters: d voxels a side, p Fourier pixels of the half space sorted by radius, s shells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from jaxtyping import Complex, Float, Int
from numpy import ndarray
from scipy.integrate import trapezoid


@dataclass(frozen=True, eq=False)
class Shells:
    """Shells of a box of ``box`` voxels a side.

    Sums are taken once over half shells, floor(2 |k|) with |k| in Fourier pixels, of which two make a shell
    of either kind: rounded radius, [s - 1/2, s + 1/2), or CryoBench's, [s - 1, s).
    """

    box: int

    def transform(self, density: Float[ndarray, "d d d"]) -> Complex[ndarray, " p"]:
        """Fourier transform in the shells, each pixel times the root of how often it counts."""
        transform = scipy.fft.rfftn(np.asarray(density, np.float32))
        return transform.reshape(-1)[self._order] * self._weight

    def power(self, transform: Complex[ndarray, " p"]) -> Float[ndarray, " h"]:
        """Sum of |F|^2 over each half shell."""
        return self._sum(transform.real**2 + transform.imag**2)

    def cross(self, first: Complex[ndarray, " p"], second: Complex[ndarray, " p"]) -> Float[ndarray, " h"]:
        """Sum of Re F G* over each half shell."""
        return self._sum(first.real * second.real + first.imag * second.imag)

    def _sum(self, values: Float[ndarray, " p"]) -> Float[ndarray, " h"]:
        total = np.add.reduceat(values, self._start[:-1], dtype=np.float64)
        return np.where(np.diff(self._start) > 0, total, 0.0)  # an empty half shell, such as [1/2, 1)

    @cached_property
    def _order(self) -> Int[ndarray, " p"]:
        half = self._half_shell
        order = np.argsort(half, kind="stable")
        return order[: np.searchsorted(half[order], 2 * (self.box // 2), side="right")]

    @cached_property
    def _start(self) -> Int[ndarray, " h"]:
        """Where each half shell begins, and where the last ends."""
        half = self._half_shell[self._order]
        return np.searchsorted(half, np.arange(2 * (self.box // 2) + 2))

    @cached_property
    def _weight(self) -> Float[ndarray, " p"]:
        """Root of 2 where a pixel stands for its mate as well."""
        last = np.arange(self.box // 2 + 1)
        paired = np.where((last == 0) | (2 * last == self.box), 1.0, 2.0)
        return np.sqrt(np.broadcast_to(paired, self._grid_shape).reshape(-1)[self._order], dtype=np.float32)

    @cached_property
    def _half_shell(self) -> Int[ndarray, " v"]:
        axis = scipy.fft.fftfreq(self.box, 1 / self.box)
        last = np.arange(self.box // 2 + 1)
        square = axis[:, None, None] ** 2 + axis[:, None] ** 2 + last**2
        # integers under the root: 2 |k| is never just below a whole number that it is
        return np.floor(np.sqrt(4 * np.round(square))).astype(np.int64).reshape(-1)

    @property
    def _grid_shape(self) -> tuple[int, int, int]:
        return (self.box, self.box, self.box // 2 + 1)


def shell_fsc(
    cross: Float[ndarray, "*v h"], power: Float[ndarray, "*v h"], other: Float[ndarray, "*v h"]
) -> Float[ndarray, "*v s"]:
    """FSC on shells 0 to d // 2 by rounded radius, as :func:`trimorph.core.fsc.fourier_shell_correlation`."""
    return _ratio(*(_rounded(values) for values in (cross, power, other)))


def cryobench_fsc(
    cross: Float[ndarray, "*v h"], power: Float[ndarray, "*v h"], other: Float[ndarray, "*v h"]
) -> Float[ndarray, "*v s"]:
    """FSC at 0, 1, ... d / 2 - 1 cycles a box as CryoBench has it: 1 at 0, at i of the shell [i - 1, i).

    A shell without power in either map counts 0.
    Source: CryoBench (Jeon et al., 2024), metrics/fsc, after cryoDRGN's analysis_scripts/fsc.
    """
    curve = _ratio(*(_pairs(values) for values in (cross, power, other)))
    return np.concatenate([np.ones((*curve.shape[:-1], 1)), curve], axis=-1)


def cryobench_area(curve: Float[ndarray, "*v s"], *, box: int) -> Float[ndarray, "*v"]:
    """Area under :func:`cryobench_fsc` by the trapezoidal rule over cycles a pixel, s / d.

    A perfect map has (d / 2 - 1) / d: 0.492 at 128 voxels a side and 0.484 at 64.

    >>> round(float(cryobench_area(np.ones(64), box=128)), 4)
    0.4922
    """
    return np.asarray(trapezoid(curve, np.arange(curve.shape[-1]) / box, axis=-1))


def mean_of_shells(curve: Float[ndarray, "*v s"]) -> Float[ndarray, "*v"]:
    """Mean of :func:`shell_fsc` over shells 1 to d / 2 - 1, the last but the Nyquist shell."""
    return np.asarray(curve[..., 1:-1].mean(-1))


def _rounded(values: Float[ndarray, "*v h"]) -> Float[ndarray, "*v s"]:
    return np.concatenate([values[..., :1], values[..., 1::2] + values[..., 2::2]], axis=-1)


def _pairs(values: Float[ndarray, "*v h"]) -> Float[ndarray, "*v s"]:
    last = values.shape[-1] - 1 - 2  # two half shells a shell, none beyond d / 2 - 1
    return values[..., 0:last:2] + values[..., 1 : last + 1 : 2]


def _ratio(
    cross: Float[ndarray, "*v s"], power: Float[ndarray, "*v s"], other: Float[ndarray, "*v s"]
) -> Float[ndarray, "*v s"]:
    norm = np.sqrt(power * other)
    return np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
