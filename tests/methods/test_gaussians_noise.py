"""Images of one structure and noise: nothing is found in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from methods.made_images import cloud, make_images, train
from trimorph.methods.gaussians import GaussianMixture, GaussiansSettings
from trimorph.methods.inference import FREE_NATS
from trimorph.training.latents import Latents

BOX, COUNT, EPOCHS = 12, 400, 6
BODY = [(0.0, 0.0, 0.0), (2.0, 1.0, -1.0), (-1.0, -2.0, 2.0)]


@pytest.mark.parametrize("encoder", ["pixels", "object"])
def test_latents_of_a_structureless_stack_collapse(encoder: Any, tmp_path: Path) -> None:
    mean = cloud(BOX, *BODY)
    images = make_images(mean, torch.zeros(COUNT, dtype=torch.long), noise_level=0.5)
    problem = images.problem(mean[0])
    torch.manual_seed(0)
    method = GaussianMixture(
        GaussiansSettings(
            latent_dim=2, epochs=EPOCHS, encoder=encoder, width=32, layers=1, anchors=8, encoder_width=48,
            encoder_layers=1, resolution=10.0, coarse_to_fine=False,
        ),
        problem,
    )  # fmt: skip
    train(method, images, tmp_path / "run", problem=problem)
    found = Latents.load(tmp_path / "run" / "latents" / f"{EPOCHS:04d}.npz")
    variance = torch.as_tensor(found.mean).var(0)
    covariance = torch.as_tensor(found.covariance).double()
    mean_square = torch.as_tensor(found.mean).double().square().sum(1)
    divergence = 0.5 * (
        covariance.diagonal(dim1=1, dim2=2).sum(1) + mean_square - 2 - torch.logdet(covariance)
    )
    assert float(variance.max()) < 0.05
    assert float(divergence.mean()) < FREE_NATS
