"""Gaussians for what the average has lost: a small blob that passes along a path."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from trimorph.core.gaussians import Gaussians
from trimorph.core.voxel_grid import resample
from trimorph.methods.cloud_fit import fit_cloud
from trimorph.methods.cloud_seeds import unexplained

BOX, PIXEL = 32, 4.0
STOPS = torch.stack([torch.linspace(-30, 30, 20), torch.full((20,), 4.0), torch.full((20,), 28.0)], dim=1)
"""Where the blob goes, (x, y, z) in Å, above a body that reaches up to z = 14 Å."""


def ball(centre: Tensor, radius: float) -> Tensor:
    """Voxels of a ball with an edge a voxel and a half wide."""
    axis = (torch.arange(BOX) - BOX // 2) * PIXEL
    z, y, x = axis[:, None, None] - centre[2], axis[:, None] - centre[1], axis - centre[0]
    return torch.sigmoid((radius - (x**2 + y**2 + z**2).sqrt()) / (0.4 * PIXEL))


@lru_cache
def states() -> Tensor:
    body = ball(torch.tensor([0.0, 0.0, -10.0]), 24.0)
    return torch.stack([body + ball(stop, 9.0) for stop in STOPS])


@lru_cache
def average_cloud() -> Gaussians:
    """A cloud fitted to the average of all states."""
    *_, (_, fit) = fit_cloud(states().mean(0), PIXEL, resolution=16.0)
    return fit.cloud


def modes_of(maps: Tensor, count: int) -> Tensor:
    """Principal modes as long as their latents' standard deviations."""
    left, size, right = torch.linalg.svd((maps - maps.mean(0)).flatten(1), full_matrices=False)
    del left
    return (right * size[:, None] / len(maps) ** 0.5)[:count].view(count, *maps.shape[1:])


def test_a_part_that_passes_gets_gaussians_along_its_path() -> None:
    maps, cloud = states(), average_cloud()
    modes = resample(modes_of(maps, 4), PIXEL, box=20, pixel_size=6.4)
    seeds = unexplained(modes, 6.4, cloud, resolution=16.0, most=40)
    place = seeds.position[0]
    off = torch.cdist(place, STOPS).amin(1)
    reached = torch.cdist(STOPS, place).amin(1)
    assert 6 <= len(place) <= 40
    assert float(off.max()) < 16.0
    assert float(reached.max()) < 8.0
    apart = torch.cdist(place, place) + 1e3 * torch.eye(len(place))
    assert float(apart.min()) >= 8.0 - 1e-3
    assert not bool(seeds.amplitude.any())


def test_seeds_are_bounded_and_carry_a_share_of_the_deviation() -> None:
    maps, cloud = states(), average_cloud()
    modes = modes_of(maps, 4)
    seeds = unexplained(modes, PIXEL, cloud, resolution=16.0, most=3, share=0.5)
    assert seeds.position.shape == (1, 3, 3)
    peak = modes.square().sum(0).sqrt().max()
    density = seeds.amplitude / (2 * torch.pi * seeds.width**2) ** 1.5
    assert torch.isclose(density.max(), 0.5 * peak)


def test_where_nothing_varies_there_are_no_seeds() -> None:
    seeds = unexplained(torch.zeros(2, BOX, BOX, BOX), PIXEL, average_cloud(), resolution=16.0, most=9)
    assert seeds.position.shape == (1, 0, 3)
