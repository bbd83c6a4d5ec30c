"""Blend: sums over images in which particles count differently at each frequency."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.backprojection import BackProjector
from trimorph.core.density_solver import STEPS, FourierSums, solve_density
from trimorph.core.gridding import OVERSAMPLING


@dataclass(frozen=True, eq=False)
class Blend:
    """Several sums, each multiplied by a curve over shells 0 to ``box // 2``, as the sums of one problem.

    Least squares in which the weight of a particle is a function of the frequency.
    """

    parts: tuple[BackProjector, ...]
    share: Float[Tensor, "p s"]

    def __add__(self, other: Blend) -> Blend:
        """Those of both sets of images."""
        return Blend(self.parts + other.parts, torch.cat([self.share, other.share]))

    def solve(self, ssnr: Float[Tensor, " s"] | None = None, *, steps: int = STEPS) -> Float[Tensor, "d d d"]:
        """The density, as :meth:`BackProjector.solve` finds it."""
        return solve_density(self.sums(), gridding=self.parts[0].gridding, ssnr=ssnr, steps=steps)

    def sums(self) -> FourierSums:
        """The sums as ``rfftn`` lays out a grid of twice the box."""
        total: FourierSums | None = None
        for part, share in zip(self.parts, self.share, strict=True):
            if not bool(share.any()):
                continue
            found = part.sums()
            if total is None:
                below, fraction = _shells(found.weight, len(share))
                total = FourierSums(torch.zeros_like(found.numerator), torch.zeros_like(found.weight))
            curve = share.to(found.weight)
            factor = torch.lerp(curve[below], curve[(below + 1).clamp(max=len(curve) - 1)], fraction)
            total.numerator.addcmul_(found.numerator, factor.to(found.numerator.dtype))
            total.weight.addcmul_(found.weight, factor)
        return self.parts[0].sums() if total is None else total


def _shells(values: Float[Tensor, "m m h"], count: int) -> tuple[Tensor, Tensor]:
    """The shell below each point of the grid, of so many, and how far the point is from there to the next."""
    size = len(values)
    axis = torch.fft.fftfreq(size, 1 / size, device=values.device)
    last = torch.arange(size // 2 + 1, device=values.device, dtype=axis.dtype)
    radius = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + last**2).sqrt() / OVERSAMPLING
    below = radius.long().clamp(max=count - 1)
    return below, radius - radius.floor()
