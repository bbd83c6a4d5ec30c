"""Blended rigid motions: points that belong to several bodies follow one proper rotation and one shift.

Letters: v motions, g points.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def turn_quaternion(turn: Float[Tensor, "*p 3"]) -> Float[Tensor, "*p 4"]:
    """Unit quaternions (real part first, never negative) of rotation vectors, axis times angle in radians.

    q = (cos a/2, sin(a/2)/a turn) with a = |turn|; gradients are finite at no turn.

    >>> turn_quaternion(torch.tensor([0.0, 0.0, torch.pi / 2]))
    tensor([0.7071, 0.0000, 0.0000, 0.7071])
    """
    square = turn.square().sum(-1, keepdim=True)
    near = square < 1e-4
    angle = torch.where(near, torch.ones_like(square), square).sqrt()
    real = torch.where(near, 1 - square / 8 + square**2 / 384, torch.cos(0.5 * angle))
    share = torch.where(near, 0.5 - square / 48 + square**2 / 3840, torch.sin(0.5 * angle) / angle)
    whole = torch.cat([real, share * turn], dim=-1)
    return torch.where(real < 0, -whole, whole)


def blended_displacement(
    quaternion: Float[Tensor, "v 4 g"], slide: Float[Tensor, "v 3 g"], arm: Float[Tensor, "3 g"]
) -> Float[Tensor, "v g 3"]:
    """(R - 1) arm + slide, where R is the rotation of a mean quaternion sum_m w_m q_m, of any length.

    With q = (r, u): (R - 1) a = 2 (r (u x a) + u x (u x a)) / |q|^2. A mean of unit quaternions with real
    parts that are not negative is brought to length one, which projects it on SO(3): R is the rotation that
    minimises sum_m w_m |q - q_m|^2. It does not depend on an order of the bodies, and is that of one body
    where this has all the weight. It is not the projection of the mean matrix, but the same for two equal
    weights, and for other weights it differs in third order of the angles between the bodies.
    ``arm`` (Å) is the point as seen from the mean centre of its bodies, ``slide`` their mean shift.

    Source: Markley et al., J. Guidance, Control, and Dynamics 30 (2007) 1193 (the mean and its projection).

    >>> quarter = turn_quaternion(torch.tensor([[0.0, 0.0, torch.pi / 2]])).mT[None]
    >>> x = torch.tensor([[1.0], [0.0], [0.0]])
    >>> (x.mT + blended_displacement(quarter, torch.zeros(1, 3, 1), x))[0].round(decimals=3) + 0.0
    tensor([[0., 1., 0.]])
    """
    real, axis = quaternion[:, :1], quaternion[:, 1:]
    square = quaternion.square().sum(1, keepdim=True).clamp_min(1e-12)
    across = _cross(axis, arm[None])
    return (2 / square * (real * across + _cross(axis, across)) + slide).mT


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross products along axis 1; written out, as torch's is slow where that axis is not the last."""
    (ax, ay, az), (bx, by, bz) = a.unbind(1), b.unbind(1)
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], dim=1)
