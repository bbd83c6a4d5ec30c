"""relocate: Gaussians that do nothing are put where the cloud is pulled apart, their number staying."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

DEAD = 0.02
"""Share of the median amplitude below which a Gaussian does nothing."""

APART = 0.15
"""Distance in widths of each half from where the whole was: the whole's density changes by 0.7 %."""


class Relocated(NamedTuple):
    """A cloud of as many Gaussians; ``moved`` are the rows that were dead, ``split`` those they now halve."""

    position: Float[Tensor, "g 3"]
    amplitude: Float[Tensor, " g"]
    width: Float[Tensor, " g"]
    moved: Int[Tensor, " s"]
    split: Int[Tensor, " s"]


def relocate(
    position: Float[Tensor, "g 3"],
    amplitude: Float[Tensor, " g"],
    width: Float[Tensor, " g"],
    pull: Float[Tensor, " g"],
    *,
    generator: torch.Generator,
    dead: float = DEAD,
) -> Relocated:
    """Move the dead to halve those with most ``pull``, the summed norms of their positions' gradients.

    Dead are amplitudes below ``dead`` of the median of all that are not zero. A Gaussian is halved at most
    once: two of half the amplitude, APART widths to either side in a random direction, and narrower by
    sqrt(1 - APART^2 / 3), keep its mass, its centre and its mean square radius. To an optimiser, the rows
    ``moved`` and ``split`` are new.

    Source: where to split, Kerbl et al., ACM Trans. Graph. 42 (2023) 139; with what is dead, Kheradmand et
    al., NeurIPS 37 (2024) 80965.

    >>> one, none, here = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0]), torch.zeros(2, 3)
    >>> new = relocate(here, one, torch.ones(2), torch.ones(2), generator=torch.Generator().manual_seed(0))
    >>> new.amplitude.tolist(), new.moved.tolist(), new.split.tolist()
    ([0.5, 0.5], [1], [0])
    """
    size = amplitude.abs()
    some = size[size > 0]
    idle = size < dead * (some.median() if len(some) else 0.0)
    pulled = torch.where(idle, 0.0, pull)
    split = pulled.argsort(descending=True)[: int((pulled > 0).sum())]
    moved = idle.nonzero().flatten()[torch.argsort(size[idle])]
    number = min(len(split), len(moved))
    split, moved = split[:number], moved[:number]
    direction = torch.randn(number, 3, generator=generator).to(position)
    step = APART * width[split, None] * torch.nn.functional.normalize(direction, dim=1)
    place, height, breadth = position.clone(), amplitude.clone(), width.clone()
    for rows, sign in ((split, 1), (moved, -1)):
        place[rows] = position[split] + sign * step
        height[rows] = 0.5 * amplitude[split]
        breadth[rows] = width[split] * (1 - APART**2 / 3) ** 0.5
    return Relocated(place, height, breadth, moved, split)
