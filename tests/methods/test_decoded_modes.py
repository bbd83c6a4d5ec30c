"""Modes of decoded densities are their principal components, and an encoder that takes them says the same."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.made_images import PIXEL_SIZE, cloud, make_images
from methods.test_object_frame import _problem, _states
from trimorph.core.voxel_grid import VoxelGrid, resample
from trimorph.evaluation.recovery import cluster_accuracy
from trimorph.methods.decoded_modes import decoded_modes
from trimorph.methods.object_frame import ObjectFrameEncoder


def test_they_are_the_principal_components() -> None:
    generator = torch.Generator().manual_seed(0)
    modes = torch.randn(3, 8, 8, 8, generator=generator)
    latent = torch.randn(50, 3, generator=generator)

    def decode(z: Tensor) -> VoxelGrid:
        return VoxelGrid(cloud(8, (0.0, 0.0, 0.0)) + torch.einsum("vk,kzyx->vzyx", z, modes), 2.0)

    start = torch.randn(3, 8, 8, 8, generator=generator)
    mean, found = decoded_modes(decode, latent, start, pixel_size=2.0)
    density = decode(latent).values.flatten(1)
    torch.testing.assert_close(mean.flatten(), density.mean(0))
    _, size, component = torch.linalg.svd(density - density.mean(0), full_matrices=False)
    torch.testing.assert_close(found.flatten(1).norm(dim=1), size[:3] / 50**0.5, rtol=1e-3, atol=0)
    cosine = (found.flatten(1) @ component[:3].T).diagonal().abs() / found.flatten(1).norm(dim=1)
    assert float(cosine.min()) > 0.999


def test_an_encoder_with_fresh_modes_says_the_same_of_the_images() -> None:
    label = torch.randint(2, (400,), generator=torch.Generator().manual_seed(3))
    images = make_images(_states(), label, noise_level=0.3)
    problem = _problem(images)
    torch.manual_seed(0)
    encoder = ObjectFrameEncoder(problem, 1, width=32, layers=1)
    encoder.modes += 0.6 * encoder.modes.std() * torch.randn_like(encoder.modes)
    batch = images.batch(torch.arange(len(images)))
    encoder.examples = encoder.features(batch)
    assert list(encoder.begin())
    first, second = _states()

    def decode(z: Tensor) -> VoxelGrid:
        """Which of the states is which is the encoder's choice."""
        share = (torch.sign(z[:, :1, None, None] * sign) + 1) / 2
        return VoxelGrid(first + share * (second - first), PIXEL_SIZE)

    before = encoder(batch, images.noise).mean.detach()
    sign = 1.0 if float(before[label == 1].mean()) > 0 else -1.0
    assert encoder.refresh(lambda: iter([batch]), decode, lambda values: values)
    truth = resample(second - first, PIXEL_SIZE, box=encoder.frame.box, pixel_size=encoder.frame.pixel_size)
    assert float(torch.cosine_similarity(encoder.modes.flatten(), truth.flatten(), dim=0).abs()) > 0.98
    after = encoder(batch, images.noise).mean.detach()
    assert cluster_accuracy(after.numpy(), label.numpy()) >= 0.98
    assert float(after[label == 1].mean()) * sign > 0.5
    assert float(after[label == 0].mean()) * sign < -0.5


def test_an_encoder_keeps_its_modes_where_nothing_differs() -> None:
    images = make_images(_states(), torch.arange(60) % 2)
    encoder = ObjectFrameEncoder(_problem(images), 1, width=16, layers=1)
    before, batch = encoder.modes.clone(), images.batch(torch.arange(60))

    def still(z: Tensor) -> VoxelGrid:
        return VoxelGrid(_states()[:1].expand(len(z), -1, -1, -1), PIXEL_SIZE)

    assert not encoder.refresh(lambda: iter([batch]), still, lambda values: values)
    torch.testing.assert_close(encoder.modes, before)
