"""Small densities and poses that the tests of core share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from trimorph.core.gaussians import Gaussians
from trimorph.core.rotations import random_rotations

PIXEL_SIZE = 2.0


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.fixture
def rotation(generator: torch.Generator) -> Tensor:
    """Five rotations, the first of them the identity."""
    return torch.cat([torch.eye(3)[None], random_rotations(4, generator=generator).float()])


@pytest.fixture
def blobs(generator: torch.Generator) -> Callable[..., Gaussians]:
    """Gaussians well inside a box of 24 pixels of 2 Å, and wide enough to have nothing beyond Nyquist."""

    def make(volumes: int = 1, count: int = 6, dtype: torch.dtype = torch.float32) -> Gaussians:
        position = 4.0 * torch.randn(volumes, count, 3, generator=generator, dtype=dtype)
        amplitude = 1.0 + torch.rand(volumes, count, generator=generator, dtype=dtype)
        width = 2.2 + 0.6 * torch.rand(volumes, count, generator=generator, dtype=dtype)
        return Gaussians(position.clamp(-9, 9), amplitude, width)

    return make
