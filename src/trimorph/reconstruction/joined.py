"""Joined: sums over images for each of a few bodies, and the one density that these make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.density_solver import STEPS
from trimorph.reconstruction.reconstruct import Sums

Part = TypeVar("Part", bound=Sums)


@dataclass(frozen=True, eq=False)
class Joined(Generic[Part]):
    """V(x) = sum_b w_b(x) B_b(x), with B_b solved from the sums of one body, and how much of x is its."""

    parts: tuple[Part, ...]
    where: Float[Tensor, "b d d d"]

    def __add__(self, other: Joined[Part]) -> Joined[Part]:
        """Those of both sets of images."""
        pairs = zip(self.parts, other.parts, strict=True)
        return Joined(tuple(one + two for one, two in pairs), self.where)

    def solve(self, ssnr: Float[Tensor, " s"] | None = None, *, steps: int = STEPS) -> Float[Tensor, "d d d"]:
        """The density, each body's as its sums find it."""
        densities = (part.solve(ssnr, steps=steps) for part in self.parts)
        found = [where.to(one) * one for where, one in zip(self.where, densities, strict=True)]
        return torch.stack(found).sum(0)
