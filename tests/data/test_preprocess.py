"""From image to transform: known answers, and two routes to one answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_stacks import blob, made_table, noise

from trimorph.core.disk import FourierDisk
from trimorph.data.particles import ParticleStack
from trimorph.data.preprocess import Preparation


@pytest.mark.parametrize(
    ("box", "target", "target_size"),
    [(32, 32, 2.0), (33, 33, 2.0), (48, 32, 3.0), (45, 30, 3.0), (50, 25, 4.0), (32, 24, 2.7), (33, 21, 3.1)],
)
def test_shifted_blob_is_centred_at_any_grid(box, target, target_size):
    """A Gaussian's transform is 2 pi s^2 / pixel area exp(-2 pi^2 s^2 k^2), with no phase once centred."""
    width, shift = 6.5, (3.3, -5.2)
    image = torch.tensor(blob(box, 2.0, width=width, place=(-shift[0], -shift[1]))).float()[None]
    disk = FourierDisk(target, target_size)
    preparation = Preparation(box, 2.0, disk, radius=10.0)
    assert preparation.cropping == (abs(box * 2.0 - target * target_size) < 1e-6)
    found = preparation.transform(image, torch.tensor([shift]))[0]
    k2 = (disk.frequency**2).sum(-1)
    wanted = 2 * np.pi * width**2 / target_size**2 * torch.exp(-2 * np.pi**2 * width**2 * k2)
    assert torch.allclose(found.real, wanted, atol=2e-4 * float(wanted[0]))
    assert float(found.imag.abs().max()) < 2e-4 * float(wanted[0])


@pytest.mark.parametrize(("box", "target"), [(24, 24), (25, 25), (30, 20), (27, 18), (30, 15)])
def test_crop_is_the_fourier_sum(box, target):
    image = torch.from_numpy(noise(3, box))
    shift = torch.tensor([[0.0, 0.0], [4.0, -1.0], [0.3, 2.2]])
    preparation = Preparation(box, 1.5, FourierDisk(target, 1.5 * box / target), radius=10.0)
    assert preparation.cropping
    x = (torch.arange(box) - box // 2) * 1.5
    kx, ky = preparation.disk.frequency.unbind(-1)
    wave_x, wave_y = (torch.exp(-2j * np.pi * k[:, None] * x) for k in (kx, ky))
    direct = torch.einsum("ny,byx,nx->bn", wave_y, image.to(torch.complex64), wave_x) * (target / box) ** 2
    direct *= torch.exp(-2j * np.pi * (shift @ preparation.disk.frequency.T))
    assert torch.allclose(preparation.transform(image, shift), direct, atol=1e-4 * box)


def test_transform_agrees_with_that_of_the_disk():
    image = torch.from_numpy(noise(2, 21))
    preparation = Preparation(21, 1.5, FourierDisk(21, 1.5), radius=10.0)
    assert torch.allclose(
        preparation.transform(image, torch.zeros(2, 2)), FourierDisk(21, 1.5).transform(image), atol=1e-4
    )


def test_background_around_the_particles_own_centre():
    """A disc of 1 on a background of 0 with noise of 0.1: mean 0 and deviation 1 outside the disc."""
    box, radius = 64, 12.0
    shift = torch.tensor([[0.0, 0.0], [12.0, -16.0], [-14.0, 6.0]])  # 2 Å pixels
    axis = torch.arange(box) - 32
    disc = torch.stack(
        [(((axis + x / 2) ** 2 + (axis[:, None] + y / 2) ** 2) < radius**2).float() for x, y in shift]
    )
    image = 40.0 + 7.0 * (disc + 0.1 * torch.from_numpy(noise(3, box)))
    preparation = Preparation(box, 2.0, FourierDisk(box, 2.0), radius=2.0 * (radius + 1))
    normalised, deviation = preparation.normalise(image, shift)
    assert torch.allclose(deviation, torch.tensor(0.7), rtol=0.05)
    for one, inside in zip(normalised, disc, strict=True):
        assert abs(float(one[inside == 0].mean())) < 0.05
        assert float(one[inside == 0].std()) == pytest.approx(1.0, abs=0.05)
        assert float(one[inside == 1].mean()) == pytest.approx(10.0, rel=0.05)


def test_window_is_one_inside_zero_outside_around_own_centre():
    preparation = Preparation(40, 2.0, FourierDisk(40, 2.0), radius=20.0, inner=20.0, outer=32.0)
    shift = torch.tensor([[0.0, 0.0], [8.0, -4.0]])
    windows = preparation.windows(shift)
    assert float(windows[0, 20, 20]) == float(windows[1, 22, 16]) == 1.0
    assert float(windows[0, 20, 20 + 16]) == float(windows[1, 22, 16 - 16]) == 0.0
    assert float(windows[0, 20, 20 + 13]) == pytest.approx(0.5)
    assert torch.equal(windows[1, 2:, :36], windows[0, :38, 4:])


def test_images_in_other_units_give_the_same_batch(tmp_path):
    images = noise(5, 24)
    plain = ParticleStack(made_table(tmp_path, images))
    scaled = ParticleStack(made_table(tmp_path, 250.0 + 13.0 * images, name="b.mrcs"))
    dark = ParticleStack(made_table(tmp_path, 1.0 - images, name="c.mrcs"), invert=True)
    assert torch.allclose(plain[:].image, scaled[:].image, atol=2e-2)
    assert torch.allclose(plain[:].image, dark[:].image, atol=1e-3)


def test_sign_of_the_table_is_honoured(tmp_path):
    from dataclasses import replace

    table = made_table(tmp_path, noise(4, 16))
    turned = replace(table, sign=np.array([1.0, -1.0, -1.0, 1.0]))
    a, b = ParticleStack(table)[:].image, ParticleStack(turned)[:].image
    assert torch.allclose(a * torch.tensor([1.0, -1.0, -1.0, 1.0])[:, None], b, atol=1e-4)
