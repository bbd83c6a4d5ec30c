"""How a predicted image is compared with an observed one: one number an image.

All sums run over the half plane with Parseval weights, so they equal sums over the whole plane.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from trimorph.core.disk import FourierDisk


def whitened_likelihood(
    predicted: Complex[Tensor, "b n"],
    observed: Complex[Tensor, "b n"],
    *,
    power: Float[Tensor, "b n"],
    disk: FourierDisk,
) -> Float[Tensor, " b"]:
    """Negative log-likelihood under Gaussian noise of known power, up to a constant.

    sum_k |predicted - observed|^2 / (2 power); for noise alone, half the number of pixels in the plane.
    """
    difference = predicted - observed
    return ((difference.real**2 + difference.imag**2) * (0.5 * disk.weight / power)).sum(-1)


def correlation(
    predicted: Complex[Tensor, "b n"],
    observed: Complex[Tensor, "b n"],
    *,
    disk: FourierDisk,
    power: Float[Tensor, "b n"] | None = None,
) -> Float[Tensor, " b"]:
    """Pearson correlation of the two images without their means; whitened where ``power`` is given."""
    weight = disk.weight * (disk.radius > 0)
    weight = weight if power is None else weight / power
    cross = (_cross(predicted, observed) * weight).sum(-1)
    return cross / _norm((_square(predicted) * weight).sum(-1), (_square(observed) * weight).sum(-1))


def fourier_ring_correlation(
    predicted: Complex[Tensor, "b n"], observed: Complex[Tensor, "b n"], *, disk: FourierDisk
) -> Float[Tensor, "b s"]:
    """Correlation on every ring 0 to the last on the disk; a ring where either image is zero gives 0."""
    cross = disk.ring_mean(_cross(predicted, observed))
    return cross / _norm(disk.ring_mean(_square(predicted)), disk.ring_mean(_square(observed)))


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a.real * b.real + a.imag * b.imag


def _square(a: Tensor) -> Tensor:
    return a.real**2 + a.imag**2


def _norm(a: Tensor, b: Tensor) -> Tensor:
    """sqrt(a b) with finite gradients where either is zero, and without overflow."""
    tiny = torch.finfo(a.dtype).tiny
    return a.clamp_min(tiny).sqrt() * b.clamp_min(tiny).sqrt()
