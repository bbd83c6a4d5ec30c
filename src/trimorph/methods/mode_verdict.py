"""How many modes are real: what held-out images gain by each, and what the half sets agree on.

Letters: k modes, c box of their grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from trimorph.methods.mode_agreement import chance_cosine, principal_cosines

SIGNIFICANT = 3.0
"""Standard errors by which a mode must raise the held-out likelihood to be called real."""

AGREEMENT = 1 / 3
"""Cosine c between the half sets' modes that a real one exceeds. Signal then is more than half of the power
of a mode of all particles, 2 c / (1 + c), as in a map whose half maps have this FSC."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """Number of leading modes to keep, cosines between their spaces, and what these have to exceed."""

    kept: int
    cosine: Float[Tensor, " k"]
    level: float


def useful_modes(gain: Float[Tensor, " k"]) -> int:
    """The number of leading modes that gain most together; 0 where none gains.

    >>> useful_modes(torch.tensor([2.0, -0.5, 1.0, -0.1])), useful_modes(torch.tensor([-1.0, 0.5]))
    (3, 0)
    """
    total = gain.cumsum(0)
    return int(total.argmax()) + 1 if bool(total.max() > 0) else 0


def agreement(
    first: Float[Tensor, "k c c c"],
    second: Float[Tensor, "k c c c"],
    *,
    mask: Float[Tensor, "c c c"],
    fewer: bool,
) -> Agreement:
    """How well the spaces of two half sets' matched modes agree, and how well they would by chance.

    With ``fewer``, only as many leading modes are kept as agree in every direction, but at least one.
    """
    kept = len(first)
    while True:
        level = max(AGREEMENT, chance_cosine(first[:kept], second[:kept], mask=mask))
        cosine = principal_cosines(first[:kept].flatten(1), second[:kept].flatten(1))
        if not fewer or kept == 1 or bool(cosine[-1] > level):
            return Agreement(kept, cosine, level)
        kept -= 1


def real_modes(
    gain: Float[Tensor, " k"],
    error: Float[Tensor, " k"],
    *,
    cosine: Float[Tensor, " k"],
    level: Float[Tensor, ""],
) -> Bool[Tensor, " k"]:
    """Which modes are useful, gain more than :data:`SIGNIFICANT` standard errors, and agree beyond the level.

    >>> gain, cosine = torch.tensor([2.0, 1.0, 0.2, 1.0]), torch.tensor([0.9, 0.3, 0.8, 0.0])
    >>> real_modes(gain, torch.full((4,), 0.1), cosine=cosine, level=torch.tensor(0.5)).tolist()
    [True, False, False, False]
    """
    useful = torch.arange(len(gain), device=gain.device) < useful_modes(gain)
    return useful & (gain > SIGNIFICANT * error) & (cosine > level)


def verdict(*, real: int, cosine: Float[Tensor, " k"], level: float) -> str:
    """One line: how many of the modes that are kept are real, and how well the half sets agree on them."""
    found = "1 mode is" if real == 1 else f"{real or 'no'} modes are"
    cosines = ", ".join(f"{value:.2f}" for value in cosine.tolist())
    return (
        f"{found} real of {len(cosine)} kept: real is what raises the likelihood of held-out images by more "
        f"than {SIGNIFICANT:g} standard errors, and on which half sets agree to a cosine above {level:.2f}. "
        f"Theirs are {cosines}"
    )
