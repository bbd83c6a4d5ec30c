"""The bandwidth on each shell, by what half sets say of bias and of noise.

Letters: b rungs of a ladder of bandwidths, s shells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float
from numpy import ndarray
from torch import Tensor

from trimorph.core.fsc import shell_sum

SMOOTHING = 2.0
"""Standard deviation, in shells, of what a choice on one shell learns from others."""

CAUTION = 1.0
"""Standard errors by which a narrower rung must be better."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """How the maps of all rungs agree, shell by shell, with the narrowest of the other half set.

    ``cross`` is Re <E_b, E_0'>, averaged over both ways to take the halves, ``product`` Re <M_b, M_c> of the
    means M of both halves, and ``noise`` the power of E_0's noise in one mode.
    """

    cross: Float[ndarray, "b s"]
    product: Float[ndarray, "b b s"]
    noise: Float[ndarray, " s"]

    @classmethod
    def of(
        cls, halves: tuple[Complex[Tensor, "b d d h"], Complex[Tensor, "b d d h"]], *, filled: float
    ) -> Agreement:
        """From transforms of the maps of both halves, which are zero but in a share ``filled`` of the box."""
        first, second = halves
        cross = 0.5 * (_products(first, second[:1]) + _products(second, first[:1]))[:, 0]
        mean = 0.5 * (first + second)
        apart = _products(first[:1] - second[:1], first[:1] - second[:1])[0, 0]
        modes = shell_sum(torch.ones_like(first[0].real))
        noise = 0.5 * apart / modes / filled
        return cls(*(part.double().cpu().numpy() for part in (cross, _products(mean, mean), noise)))


def choose_rungs(agreement: Agreement) -> Float[ndarray, "b s"]:
    """How much each rung counts on each shell: one, or two to three next to a change; columns sum to one.

    What a map is worth after its Wiener filter is its correlation with the truth f. The narrowest rung of the
    other half set has independent noise and the least bias, so that in the mean over the noise

        t_b = Re <E_b, E_0'> / |M_b|  is  |f| FSC(E_b, f):

    a rung too wide loses by its bias, one too narrow by the noise in |M_b|. Divided by the standard
    deviation of its noise, t is averaged over neighbouring shells. The widest rung is taken that is not worse
    than the best by more than :data:`CAUTION` standard errors of their difference.
    Source of the idea: Gilles & Singer, PNAS 122 (2025) e2419140122 (bandwidth by half sets and shell).
    """
    count, shells = agreement.cross.shape
    size = np.sqrt(np.einsum("bbs->bs", agreement.product).clip(1e-300))
    scale = np.sqrt(0.5 * agreement.noise.clip(1e-300))
    value = agreement.cross / size / scale
    same = (agreement.product / size[:, None] / size).clip(-1, 1)
    spread = _smoother(shells)
    value = value @ spread.T
    error = np.sqrt((2 - 2 * same).clip(0) @ (spread**2).T)
    best = value.argmax(0)
    rows = np.arange(shells)
    good = value >= value[best, rows] - CAUTION * error[:, best, rows]
    chosen = count - 1 - good[::-1].argmax(0)
    chosen[0] = chosen[min(1, shells - 1)]
    mixed = np.eye(count)[:, chosen]
    padded = np.pad(mixed, ((0, 0), (1, 1)), mode="edge")
    return 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]


def _smoother(shells: int) -> Float[ndarray, "s s"]:
    """Gaussian weights of the shells that a shell learns from, not of shell 0; rows sum to one."""
    place = np.arange(shells)
    weight = np.exp(-0.5 * ((place[:, None] - place) / SMOOTHING) ** 2)
    if shells > 1:
        weight[:, 0] = 0.0
    return weight / weight.sum(1, keepdims=True)


def _products(
    first: Complex[Tensor, "b d d h"], second: Complex[Tensor, "c d d h"]
) -> Float[Tensor, "b c s"]:
    """Re <first_b, second_c> on each shell."""
    rows = [[shell_sum(one.real * two.real + one.imag * two.imag) for two in second] for one in first]
    return torch.stack([torch.stack(row) for row in rows])
