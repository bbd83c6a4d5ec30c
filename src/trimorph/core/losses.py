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


def ring_score(
    predicted: Complex[Tensor, "b n"],
    observed: Complex[Tensor, "b n"],
    *,
    power: Float[Tensor, "b n"],
    disk: FourierDisk,
) -> Float[Tensor, " b"]:
    """What the images lack of a ring correlation of one, summed over rings and brought to nats.

    c sum_s (1 - FRC_s) over rings from 1 to the last that the disk holds whole, every ring with the same
    weight; the mean over rings of e2gmm differs by a factor. A sum of correlations is not a log-likelihood,
    so where it is weighed against one (a divergence), c decides how much is read into an image. It is the c
    for which curvature and noise of the slope agree at the truth, as they do for a likelihood:

    c = sum_s rho_s / sum_s (1 - rho_s^2) / n_s,  rho_s^2 = 1 - power of the noise / power of the images,

    with powers over the batch's images and n_s the ring's independent numbers, if a motion changes every ring
    by the same share. For one ring it is the slope of -n/2 log(1 - rho^2), the likelihood where the scales of
    signal and noise are unknown. Nothing else depends on ``power``, and c has no gradient.

    Source: score, Chen & Ludtke, Nature Methods 18 (2021) 930; adjusting a composite likelihood, Pauli,
    Racugno & Ventura, Statistica Sinica 21 (2011) 149.
    """
    last = int(disk.shell[-1])
    rings = slice(1, max(last, 2))  # the limit of the disk cuts the last ring
    found = fourier_ring_correlation(predicted, observed, disk=disk)[:, rings]
    numbers = torch.bincount(disk.shell, disk.weight, last + 1)[rings].to(found)
    seen, noise = (disk.ring_mean(values)[:, rings].mean(0) for values in (_square(observed), power))
    signal = (1 - noise / seen.clamp_min(torch.finfo(seen.dtype).tiny)).clamp(1e-4, 1 - 1e-4)
    return signal.sqrt().sum() / ((1 - signal) / numbers).sum() * (1 - found).sum(-1)


def correlation_score(
    predicted: Complex[Tensor, "b n"],
    observed: Complex[Tensor, "b n"],
    *,
    power: Float[Tensor, "b n"],
    disk: FourierDisk,
) -> Float[Tensor, " b"]:
    """What the whitened images lack of a correlation of one, brought to nats: c (1 - rho).

    With the scales of signal and noise unknown the likelihood is -n/2 log(1 - rho^2) for n pixels in the
    plane, and c = n r / (1 - r^2) is its slope at the r that the images allow, r^2 = 1 - power of the noise /
    power of the images, means over the batch. So it can be weighed against a divergence; c has no gradient.

    Source: the correlation, Li, Zhou, Chen & Ye, cryoSTAR, and Ducrocq et al., cryoSPHERE (ICLR 2025), eq. 7.
    """
    weight = disk.weight * (disk.radius > 0)
    pixels = weight.sum()
    seen = (_square(observed) * weight / power).sum(-1).mean()
    square = (1 - pixels / seen.clamp_min(torch.finfo(seen.dtype).tiny)).clamp(1e-4, 1 - 1e-4)
    found = correlation(predicted, observed, disk=disk, power=power)
    return pixels * square.sqrt() / (1 - square) * (1 - found)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a.real * b.real + a.imag * b.imag


def _square(a: Tensor) -> Tensor:
    return a.real**2 + a.imag**2


def _norm(a: Tensor, b: Tensor) -> Tensor:
    """sqrt(a b) with finite gradients where either is zero, and without overflow."""
    tiny = torch.finfo(a.dtype).tiny
    return a.clamp_min(tiny).sqrt() * b.clamp_min(tiny).sqrt()
