"""PlaneCloud: Gaussians as an image sees them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

FAINTEST = -40.0
"""Logarithm at which factors end: less changes no sum, and products of less would be subnormal and slow."""


class PlaneCloud(NamedTuple):
    """Gaussians dropped on the image plane, in units that make frequencies whole numbers.

    ``plane`` is (x, y) in turns, a position over the side of the box; ``variance`` is in turns^2. Amplitudes
    and variances are one set for all images (v = 1) or one an image.
    """

    plane: Float[Tensor, "b g 2"]
    amplitude: Float[Tensor, "v g"]
    variance: Float[Tensor, "v2 g"]

    def part(self, images: slice, some: slice) -> PlaneCloud:
        """Some Gaussians of some images."""
        return PlaneCloud(*(numbers[_rows(numbers, images), some] for numbers in self))

    def select(self, which: Int[Tensor, " s"] | None) -> PlaneCloud:
        """The Gaussians of these numbers, of all images; None is all."""
        if which is None:
            return self
        return PlaneCloud(self.plane[:, which], self.amplitude[:, which], self.variance[:, which])

    def zeros_like(self) -> PlaneCloud:
        """Zeros of the same shapes."""
        return PlaneCloud(*map(torch.zeros_like, self))

    def add_part(self, images: slice, some: slice, values: PlaneCloud) -> None:
        """Add to a part, in place; numbers that all images share get the sum over images."""
        for mine, added in zip(self, values, strict=True):
            rows = _rows(mine, images)
            mine[rows, some] += added.sum(0, keepdim=True) if len(mine) < len(added) else added

    def put(self, which: Int[Tensor, " s"] | None, values: PlaneCloud) -> None:
        """Set the Gaussians of these numbers, in place."""
        for mine, new in zip(self, values, strict=True):
            if which is None:
                mine.copy_(new)
            else:
                mine[:, which] = new


def _rows(values: Tensor, images: slice) -> slice:
    return images if len(values) > 1 else slice(0, 1)
