"""A part that the map to start from has lost: spare Gaussians where the linear modes vary bring it back.

The encoder is given the true principal modes, so this tests what follows after them.
"""

from __future__ import annotations

from dataclasses import replace
from math import cos, pi, sin
from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.made_images import PIXEL_SIZE, cloud, make_images, train
from methods.made_modes import principal_modes
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.methods.gaussians import GaussianMixture, GaussiansSettings
from trimorph.training.latents import Latents

BOX, STATES, EPOCHS = 16, 6, 14


def ball(x: float, y: float, z: float) -> Tensor:
    """A ball with a soft edge on its place in pixels: not a Gaussian."""
    axis = torch.arange(BOX) - BOX // 2
    distance = ((axis - x) ** 2 + (axis[:, None] - y) ** 2 + (axis[:, None, None] - z) ** 2).sqrt()
    return 0.8 * (2.3 - distance).clamp(0, 1)


@pytest.mark.parametrize("spare", [0.0, 0.25])
def test_spare_gaussians_are_where_the_part_passes(spare: float, tmp_path: Path) -> None:
    """A ball on half a circle around a body, of which the map to start from has nothing."""
    body = cloud(BOX, (0.0, 0.0, 0.0), (1.5, 0.5, -1.0), (-1.0, -1.5, 1.0))
    angle = [pi * step / (STATES - 1) for step in range(STATES)]
    alone = torch.stack([ball(5.0 * cos(a), 5.0 * sin(a), 2.0 * cos(2 * a)) for a in angle])
    states = body + alone
    state = torch.randint(STATES, (400,), generator=torch.Generator().manual_seed(3))
    images = make_images(states, state, noise_level=0.3)
    problem = images.problem(body[0])
    assert problem.modes is not None
    problem = replace(problem, modes=principal_modes(states, 4, box=problem.modes.shape[-1]))
    settings = GaussiansSettings(
        latent_dim=2, epochs=EPOCHS, learning_rate=5e-3, width=48, layers=1, anchors=16, encoder_width=64,
        encoder_layers=1, resolution=10.0, coarse_to_fine=False, beta_peak=1.0, spare=spare,
    )  # fmt: skip
    torch.manual_seed(0)
    method = GaussianMixture(settings, problem)
    train(method, images, tmp_path / "run", problem=problem)
    z = torch.as_tensor(Latents.load(tmp_path / "run" / "latents" / f"{EPOCHS:04d}.npz").mean)
    with torch.no_grad():
        typical = torch.stack([z[state == number].mean(0) for number in range(STATES)])
        density = method.decode(typical).voxels(BOX, PIXEL_SIZE)
    place = (alone > 0.1) & (body < 0.05)
    mass = float((density * place).sum() / (states * place).sum())
    mean = states.mean(0)
    curve = torch.stack(
        [fourier_shell_correlation(d - mean, s - mean) for d, s in zip(density, states, strict=True)]
    ).mean(0)
    if spare:
        assert mass > 0.6
        assert float(curve[1:4].min()) > 0.8
    else:
        assert mass < 0.5  # the body's own Gaussians are drawn there, but more than half stays missing
        assert float(curve[1:4].max()) < 0.5
