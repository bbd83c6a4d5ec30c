"""Modes of the densities that a decoder has learned, to take the place of those it began with.

Letters: n latents, d their dimension, k modes, c box of their grid, p voxels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.volume import AbstractVolume

ROUNDS = 4
"""Rounds of subspace iteration; the spectrum of a motion falls off fast enough for these."""

AT_ONCE = 8
"""Densities that are decoded together."""


def decoded_modes(
    decode: Callable[[Tensor], AbstractVolume],
    latent: Float[Tensor, "n d"],
    start: Float[Tensor, "k c c c"],
    *,
    pixel_size: float,
    total: Callable[[Tensor], Tensor],
) -> tuple[Float[Tensor, "c c c"], Float[Tensor, "k c c c"]]:
    """Mean of the densities at these latents, and their principal components, each as long as its deviation.

    ``start`` are modes to begin with, on the grid of ``pixel_size`` in Å. ``total`` sums over processes, each
    of which has latents of its own; all get the same result.
    """
    box = start.shape[-1]
    parts = [decode(some).voxels(box, pixel_size).flatten(1) for some in latent.split(AT_ONCE)]
    density = torch.cat(parts).float()
    count = total(density.new_tensor(float(len(density))))
    mean = total(density.sum(0)) / count
    change = density - mean
    basis = torch.linalg.qr(start.flatten(1).T.to(change) + 1e-6 * torch.ones_like(change[:1]).T).Q
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(total(change.T @ (change @ basis))).Q
    seen = change @ basis
    power, turn = torch.linalg.eigh(total(seen.T @ seen) / count)
    longest = (turn * power.clamp_min(0).sqrt()).flip(1)
    return mean.view(start.shape[1:]), (basis @ longest).T.reshape(start.shape)
