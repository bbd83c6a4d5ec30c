"""Relocation keeps the density and the number of Gaussians."""

from __future__ import annotations

import torch

from trimorph.core.gaussians import Gaussians
from trimorph.methods.cloud_relocate import Relocated, relocate


def relocated() -> tuple[Gaussians, Relocated]:
    """40 Gaussians of which 5 are all but nothing, pulled the more the later they come."""
    draw = torch.Generator().manual_seed(0)
    position, width = 20 * torch.rand(40, 3, generator=draw) - 10, 2 + torch.rand(40, generator=draw)
    amplitude = 1 + torch.rand(40, generator=draw)
    amplitude[:5] = torch.tensor([1e-3, -1e-3, 0.0, 0.0, 2e-3])
    new = relocate(position, amplitude, width, torch.arange(40.0), generator=draw)
    return Gaussians(position[None], amplitude[None], width[None]), new


def test_density_stays() -> None:
    cloud, new = relocated()
    before = cloud.voxels(32, 1.5)
    after = Gaussians(new.position[None], new.amplitude[None], new.width[None]).voxels(32, 1.5)
    assert float((after - before).norm() / before.norm()) < 0.01
    assert torch.isclose(new.amplitude.sum(), cloud.amplitude[0, 5:].sum())


def test_dead_ones_halve_those_that_are_pulled_most() -> None:
    cloud, new = relocated()
    assert sorted(new.moved.tolist()) == [0, 1, 2, 3, 4]
    assert new.split.tolist() == [39, 38, 37, 36, 35]
    assert torch.equal(new.amplitude[new.moved], new.amplitude[new.split])
    middle = 0.5 * (new.position[new.moved] + new.position[new.split])
    assert torch.allclose(middle, cloud.position[0, new.split], atol=1e-5)
    others = slice(5, 35)
    assert torch.equal(new.position[others], cloud.position[0, others])
    assert torch.equal(new.width[others], cloud.width[0, others])


def test_nothing_moves_where_all_are_alive_or_none_is_pulled() -> None:
    draw, ones = torch.Generator().manual_seed(0), torch.ones(6)
    place = torch.zeros(6, 3)
    assert len(relocate(place, ones, ones, ones, generator=draw).moved) == 0
    one = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    assert len(relocate(place, one, ones, torch.zeros(6), generator=draw).moved) == 0
    assert len(relocate(place, one, ones, torch.tensor([0.0, 1, 0, 9, 9, 9]), generator=draw).moved) == 1
