"""Encoders: what changes their output and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from methods.made_images import MadeImages, cloud, make_images
from trimorph.core.noise import NoiseModel
from trimorph.methods.encoders import LatentTable, NoLatent, PixelEncoder

BOX = 12


@pytest.fixture(scope="module")
def images() -> MadeImages:
    return make_images(cloud(BOX, (1.0, 2.0, 0.0), (-2.0, 0.0, 1.0)), torch.zeros(10, dtype=torch.long))


@pytest.fixture(scope="module")
def encoder(images: MadeImages) -> PixelEncoder:
    torch.manual_seed(0)
    return PixelEncoder(images.disk, 3, width=24, layers=2)


def test_gives_a_gaussian_an_image(images: MadeImages, encoder: PixelEncoder) -> None:
    with torch.no_grad():
        posterior = encoder(images.batch(torch.arange(10)), images.noise)
    assert posterior.mean.shape == (10, 3)
    assert float(posterior.mean.std(0).min()) > 0
    off_diagonal = posterior.covariance - torch.diag_embed(posterior.covariance.diagonal(dim1=1, dim2=2))
    assert float(off_diagonal.abs().max()) == 0.0
    assert float(posterior.covariance.diagonal(dim1=1, dim2=2).min()) > 0


def test_scale_of_image_and_noise_together_does_not_matter(images: MadeImages, encoder: PixelEncoder) -> None:
    batch = images.batch(torch.arange(10))
    scaled = replace(batch, image=7.0 * batch.image)
    expected = encoder(batch, images.noise)
    louder = encoder(scaled, NoiseModel(49.0 * images.noise.power))
    torch.testing.assert_close(louder.mean, expected.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(louder.factor, expected.factor, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(encoder(scaled, images.noise).mean, expected.mean, rtol=1e-2)


def test_noise_is_that_of_each_images_group(images: MadeImages, encoder: PixelEncoder) -> None:
    batch = images.batch(torch.arange(10))
    both = NoiseModel(torch.cat([images.noise.power, 4.0 * images.noise.power]))
    group = torch.arange(10) % 2
    louder = replace(batch, image=batch.image * (1.0 + group)[:, None], group=group)
    torch.testing.assert_close(
        encoder(louder, both).mean, encoder(batch, images.noise).mean, rtol=1e-4, atol=1e-5
    )


def test_phases_are_flipped(images: MadeImages, encoder: PixelEncoder) -> None:
    """An image and a CTF of the other sign together look the same."""
    batch = images.batch(torch.arange(10))
    inverted = replace(batch, image=-batch.image, ctf=replace(batch.ctf, scale=-batch.ctf.scale))
    expected = encoder(batch, images.noise).mean
    torch.testing.assert_close(encoder(inverted, images.noise).mean, expected)
    only_one = encoder(replace(batch, image=-batch.image), images.noise).mean
    assert not torch.allclose(only_one, expected, rtol=1e-2)


def test_flip_is_by_the_sign_alone(images: MadeImages, encoder: PixelEncoder) -> None:
    batch = images.batch(torch.arange(10))
    stronger = replace(batch, ctf=replace(batch.ctf, scale=3.0 * batch.ctf.scale))
    torch.testing.assert_close(encoder(stronger, images.noise).mean, encoder(batch, images.noise).mean)


@pytest.mark.parametrize("resolution", [9.0, 12.0, 30.0])
def test_coarser_batch_is_one_with_zeros(
    images: MadeImages, encoder: PixelEncoder, resolution: float
) -> None:
    batch = images.batch(torch.arange(10))
    coarse = images.disk.limit(resolution=resolution)
    assert len(coarse) < len(images.disk)
    zeroed = replace(batch, image=batch.image * (torch.arange(len(images.disk)) < len(coarse)))
    limited = encoder(batch.limit(coarse), images.noise)
    torch.testing.assert_close(limited.mean, encoder(zeroed, images.noise).mean)


def test_what_is_finer_than_its_disk_is_not_seen(images: MadeImages) -> None:
    seen = images.disk.limit(resolution=16.0)
    torch.manual_seed(0)
    encoder = PixelEncoder(seen, 3, width=24, layers=2)
    batch = images.batch(torch.arange(10))
    expected = encoder(batch, images.noise).mean
    torch.testing.assert_close(encoder(batch.limit(seen), images.noise).mean, expected)


def test_table_gives_each_particle_its_own_latent(images: MadeImages) -> None:
    table = LatentTable(10, 2)
    with torch.no_grad():
        table.rows.weight.copy_(torch.arange(20.0).view(10, 2))
    posterior = table(images.batch(torch.tensor([7, 0])), images.noise)
    assert posterior.mean.tolist() == [[14.0, 15.0], [0.0, 1.0]]
    assert torch.equal(posterior.factor, torch.zeros(2, 2, 2))


def test_no_latent(images: MadeImages) -> None:
    posterior = NoLatent()(images.batch(torch.tensor([7, 0])), images.noise)
    assert posterior.mean.shape == (2, 0)
    assert posterior.mean.dtype == torch.float32
    assert posterior.covariance.shape == (2, 0, 0)
