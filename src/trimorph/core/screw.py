"""Screw motions: where points go that turn and slide at constant velocities for a unit of time."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def screw_displacement(
    turn: Float[Tensor, "*p 3"], slide: Float[Tensor, "*p 3"], position: Float[Tensor, "#*p 3"]
) -> Float[Tensor, "*p 3"]:
    """exp(twist) x - x: the twist turns about the origin with ``turn`` and slides there with ``slide``.

    With u = slide + turn x position, the velocity at the start, and a = |turn|:
    u + (1 - cos a) / a^2 turn x u + (a - sin a) / a^3 turn x (turn x u). A twist t times as large is the same
    motion for t times as long: a turn about any axis, however far off, is linear in its angle.
    Source: Murray, Li & Sastry, A Mathematical Introduction to Robotic Manipulation (1994), eq. 2.36.

    >>> quarter = torch.tensor([0.0, 0.0, torch.pi / 2])  # about z through (1, 0, 0)
    >>> slide = torch.linalg.cross(torch.tensor([1.0, 0.0, 0.0]), quarter)
    >>> x = torch.tensor([2.0, 0.0, 0.0])
    >>> (x + screw_displacement(quarter, slide, x)).round(decimals=3) + 0.0
    tensor([1., 1., 0.])
    """
    return screw_shift(turn, slide + torch.linalg.cross(turn, position.expand_as(turn)))


def screw_shift(turn: Float[Tensor, "*p 3"], start: Float[Tensor, "*p 3"]) -> Float[Tensor, "*p 3"]:
    """Where a point goes that sets out with the velocity ``start`` and turns with ``turn`` for a unit."""
    square = turn.square().sum(-1, keepdim=True)
    once = torch.linalg.cross(turn, start)
    twice = torch.linalg.cross(turn, once)
    near = square < 1e-4
    angle = square.clamp_min(1e-4).sqrt()
    first = torch.where(near, 0.5 - square / 24, (1 - torch.cos(angle)) / angle**2)
    second = torch.where(near, 1 / 6 - square / 120, (angle - torch.sin(angle)) / angle**3)
    return start + first * once + second * twice
