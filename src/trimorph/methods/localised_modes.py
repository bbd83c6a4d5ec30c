"""Localised modes: latent directions along which one region of a cloud moves most, and the rest least.

Letters: d components of the latent, k directions, g Gaussians, r numbers that change in each.

Source: Chen & Ludtke, Nature Methods 18 (2021) 930, Fig. 4: vectors along which a
domain moves most and the rest least are sought in the latent space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.gaussians import Gaussians

CloudDecoder = Callable[[Float[Tensor, "v d"]], Gaussians]

STEP = 0.1
"""Step of the derivatives to either side, in standard deviations of the latent: a motion of tens of Å is then
straight to a percent of itself, and a thousand times the rounding of positions in single precision."""

RIDGE = 1e-3
"""What counts as motion outside in every direction, relative to the mean motion of all: a direction along
which nothing moves is not a localised one."""


@dataclass(frozen=True, eq=False)
class LocalisedModes:
    """Directions as rows of unit length, in units of those that were given, and their share of motion inside.

    The first has the largest share.
    """

    direction: Float[Tensor, "k k"]
    share: Float[Tensor, " k"]


@torch.no_grad()
def motion_jacobian(
    decode: CloudDecoder,
    centre: Float[Tensor, " d"],
    directions: Float[Tensor, "k d"],
    *,
    amplitudes: bool = False,
) -> Float[Tensor, "k g r"]:
    """How the Gaussians move, a step along each direction: central differences at a latent.

    sqrt(a_n / sum a) (x_n(centre + h u) - x_n(centre - h u)) / (2 h) with a the size of the amplitude, so
    that the sum of squares over Gaussians is the mean square displacement of density in Å^2. With
    ``amplitudes`` a fourth number follows: the displacement that would change the density as much as the
    amplitude does. A Gaussian of width s and mean amplitude differs from itself moved by dx as much, in the
    mean square over space, as from one of a share |dx| / (sqrt(2) s) more.
    """
    ends = decode(torch.cat([centre + STEP * directions, centre - STEP * directions]))
    cloud = decode(centre[None])
    size = cloud.amplitude[0].abs().double()
    change = _slope(ends.position) * (size / size.sum()).sqrt()[:, None]
    if not amplitudes:
        return change
    unit = 2**0.5 * cloud.width[0].double() / (size.mean() * size.sum()).sqrt()
    return torch.cat([change, (_slope(ends.amplitude) * unit)[..., None]], dim=-1)


def localised_modes(jacobian: Float[Tensor, "k g r"], inside: Float[Tensor, " g"]) -> LocalisedModes:
    """Solve (J_in^T J_in) u = lambda (J_out^T J_out + eps 1) u.

    ``inside`` is 1 for Gaussians in the region and 0 outside, or between. A direction's share of the motion
    inside is |J_in u|^2 / (|J_in u|^2 + |J_out u|^2).

    >>> change = torch.zeros(2, 2, 3)  # the first direction moves both Gaussians, the second one of them
    >>> change[0, :, 0], change[1, 1, 1] = 1.0, 1.0
    >>> modes = localised_modes(change, torch.tensor([0.0, 1.0]))
    >>> [round(float(value), 3) for value in (modes.share[0], modes.direction[0, 1].abs())]
    [1.0, 1.0]
    """
    rows = jacobian.double()
    weight = inside.double()[:, None]
    own = _gram(rows * weight.sqrt())
    whole = _gram(rows)
    count = len(rows)
    ridge = RIDGE * whole.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
    # in units in which all motion is the unit matrix: eigenvalues are lambda / (1 + lambda)
    factor = torch.linalg.cholesky(whole + ridge * torch.eye(count).to(whole))
    half = torch.linalg.solve_triangular(factor, own, upper=False)
    _, vectors = torch.linalg.eigh(torch.linalg.solve_triangular(factor, half.mT, upper=False))
    direction = torch.linalg.solve_triangular(factor.mT, vectors.flip(1), upper=True).mT
    direction = direction / direction.norm(dim=1, keepdim=True)
    largest = direction.gather(1, direction.abs().argmax(1, keepdim=True))
    direction = direction * largest.sign()
    moved, within = (((direction @ part) * direction).sum(1) for part in (whole, own))
    return LocalisedModes(direction, within / moved.clamp_min(torch.finfo(torch.float64).tiny))


def _slope(values: Float[Tensor, "v ..."]) -> Float[Tensor, "k ..."]:
    forth, back = values.double().chunk(2)
    return (forth - back) / (2 * STEP)


def _gram(rows: Float[Tensor, "k g r"]) -> Float[Tensor, "k k"]:
    flat = rows.flatten(1)
    return flat @ flat.mT
