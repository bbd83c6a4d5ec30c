"""Linear modes of known states, as the method `linear` would find them with many images."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.made_images import PIXEL_SIZE
from trimorph.core.voxel_grid import resample


def principal_modes(states: Tensor, count: int, *, box: int) -> Tensor:
    """Principal components of equally frequent maps on ``box`` voxels, each of its standard deviation."""
    whole = states.shape[-1]
    change = (states - states.mean(0)).flatten(1) / len(states) ** 0.5
    _, length, direction = torch.linalg.svd(change, full_matrices=False)
    modes = (length[:count, None] * direction[:count]).view(count, whole, whole, whole)
    return resample(modes, PIXEL_SIZE, box=box, pixel_size=whole * PIXEL_SIZE / box)
