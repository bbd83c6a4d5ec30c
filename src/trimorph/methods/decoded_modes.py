"""Modes of the densities that a decoder has learned, to take the place of those it began with.

Letters: n latents, d their dimension, k modes, c box of their grid.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.volume import AbstractVolume

AT_ONCE = 8
"""Densities that are decoded together."""


def decoded_modes(
    decode: Callable[[Tensor], AbstractVolume],
    latent: Float[Tensor, "n d"],
    start: Float[Tensor, "k c c c"],
    *,
    pixel_size: float,
) -> tuple[Float[Tensor, "c c c"], Float[Tensor, "k c c c"]]:
    """Mean of the densities at these latents, and their principal components, each as long as its deviation.

    ``start`` says how many, on which grid; ``pixel_size`` is the grid's, in Å. Modes beyond the number of
    latents are zero.
    """
    box = start.shape[-1]
    parts = [decode(some).voxels(box, pixel_size).flatten(1) for some in latent.split(AT_ONCE)]
    density = torch.cat(parts).float()
    mean = density.mean(0)
    _, size, component = torch.linalg.svd(density - mean, full_matrices=False)
    modes = density.new_zeros(len(start), density.shape[1])
    kept = (size[:, None] / len(density) ** 0.5 * component)[: len(start)]
    modes[: len(kept)] = kept
    return mean.view(start.shape[1:]), modes.view_as(start)
