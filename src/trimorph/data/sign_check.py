"""Is the protein bright? The mean of centred images at low resolution tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.ctf import CTF
from trimorph.data.particles import ParticleStack

IMAGES = 500
_SIGNIFICANT = 4.0


@dataclass(frozen=True, eq=False)
class SignCheck:
    """Contrast of the particles' middle against their surroundings.

    ``score`` is the mean difference over its standard error, and ``images`` the number that it rests on.
    ``average`` is the mean image, corrected for the CTF and low-passed.
    """

    score: float
    images: int
    average: Float[Tensor, "h w"]

    @property
    def verdict(self) -> Literal["bright", "dark", "unclear"]:
        """Contrast of the protein, unclear below 4 standard errors."""
        if abs(self.score) < _SIGNIFICANT:
            return "unclear"
        return "bright" if self.score > 0 else "dark"


def check_sign(stack: ParticleStack, *, ctf: CTF | None) -> SignCheck:
    """Average up to 500 images, centred and low-passed to a fifth of the particle's diameter.

    They are multiplied by CTF / (mean CTF^2 + a twentieth of its largest value), which brings back what the
    CTF takes from the lowest frequencies; without ``ctf`` they are not weighted. The middle is a disc of 0.4
    of the particle's radius, the surroundings a ring from 0.8 to 1 of it.
    """
    rows = np.unique(np.linspace(0, len(stack) - 1, IMAGES).astype(np.int64))
    disk = stack.disk.limit(resolution=0.4 * stack.radius)
    weight = torch.ones(len(rows), 1)
    if ctf is not None:
        weight = ctf[rows].to("cpu")(disk)
        square = (weight**2).mean(0)
        weight = weight / (square + 0.05 * square.max())
    total = torch.zeros(stack.box, stack.box)
    contrasts = []
    middle, ring = _regions(stack)
    for start in range(0, len(rows), 100):
        values = stack.transforms(rows[start : start + 100], limit=disk)
        images = disk.inverse(values * weight[start : start + 100])
        contrasts.append(images[:, middle].mean(1) - images[:, ring].mean(1))
        total += images.sum(0)
    contrast = torch.cat(contrasts).double()
    error = contrast.std() / len(contrast) ** 0.5 if len(contrast) > 1 else torch.tensor(float("inf"))
    return SignCheck(float(contrast.mean() / error), len(rows), total / len(rows))


def _regions(stack: ParticleStack) -> tuple[Tensor, Tensor]:
    axis = (torch.arange(stack.box) - stack.box // 2) * (stack.pixel_size / stack.radius)
    distance = torch.hypot(axis[:, None], axis)
    return distance < 0.4, (distance > 0.8) & (distance < 1.0)
