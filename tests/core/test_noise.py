"""Noise power outside the particle: white and coloured noise recovered, the particle left out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.noise import NoiseModel, background_power


def _white(box: int, count: int, sigma: float = 1.0) -> Tensor:
    return sigma * torch.randn(count, box, box, generator=torch.Generator().manual_seed(box))


@pytest.mark.parametrize("box", [47, 48])
@pytest.mark.parametrize("radius_share", [0.25, 0.4])
def test_white_noise_has_power_box_squared_times_variance(box: int, radius_share: float) -> None:
    power = background_power(
        _white(box, 300, 1.3) + 5.0, radius=radius_share * box, disk=FourierDisk(box, 1.0)
    ).mean(0)
    expected = box**2 * 1.3**2
    assert float((power[3:] / expected - 1).abs().max()) < 0.05
    # a mean is taken out, of which the lowest rings have few pixels left
    assert float((power[1:3] / expected - 1).abs().max()) < 0.12
    assert power[0] == power[1]


def test_coloured_noise_is_recovered() -> None:
    box = 48
    disk = FourierDisk(box, 1.0)
    colour = 1 / (1 + (disk.radius / 8) ** 2) + 0.1
    images = disk.inverse(disk.transform(_white(box, 300)) * colour.sqrt())
    power = background_power(images, radius=16.0, disk=disk).mean(0)
    expected = disk.ring_mean((box**2 * colour)[None])[0]
    assert float((power[3:-1] / expected[3:-1] - 1).abs().max()) < 0.08


def test_what_is_inside_the_radius_does_not_count() -> None:
    box = 48
    disk, images = FourierDisk(box, 1.0), _white(box, 20)
    axis = torch.arange(box) - box // 2
    inside = torch.hypot(axis[:, None].float(), axis.float()) < 15
    alone = background_power(images, radius=15.0, disk=disk)
    with_particle = background_power(images + 100 * inside, radius=15.0, disk=disk)
    torch.testing.assert_close(alone, with_particle, rtol=1e-3, atol=0)


def test_radius_that_leaves_nothing_outside_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"fewer than 16 pixels outside .* 24\.0 pixels in a box of 32.*smaller"
    ):
        background_power(_white(32, 1), radius=24.0, disk=FourierDisk(32, 1.0))


def test_each_image_takes_the_power_of_its_group_and_ring() -> None:
    disk = FourierDisk(8, 1.0)
    model = NoiseModel(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0], [10.0, 20.0, 30.0, 40.0, 50.0]])).to("cpu")
    power = model.at(disk, torch.tensor([1, 0, 1]))
    torch.testing.assert_close(power[1], disk.radius.round() + 1)
    torch.testing.assert_close(power[0], 10 * power[1])
    assert torch.equal(power[0], power[2])


def test_rings_beyond_those_measured_take_the_last_one() -> None:
    disk = FourierDisk(16, 1.0)
    power = NoiseModel(torch.tensor([[1.0, 2.0, 3.0]])).at(disk, torch.tensor([0]))
    assert float(power[0, -1]) == 3.0


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_power_that_is_not_positive_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match=r"zero, negative or not finite; wanted positive.*masked to zero"):
        NoiseModel(torch.tensor([[1.0, bad]]))
