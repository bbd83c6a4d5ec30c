"""The ring correlation as the score: it finds a motion, and leaves the density's scale.

The encoder is given the true principal modes, so this tests what follows after them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.stats import spearmanr

from methods.made_images import PIXEL_SIZE, make_images, train
from methods.made_modes import principal_modes
from methods.test_gaussians import BOX, SMALL, build, path
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.training.latents import Latents

EPOCHS = 11


def test_a_motion_is_found_by_ring_correlation(tmp_path: Path) -> None:
    """Order of places, the ball where it is, and maps that keep the mean map's scale."""
    state = torch.randint(5, (500,), generator=torch.Generator().manual_seed(3))
    images, states = make_images(path(), state, noise_level=0.3), path()
    problem = images.problem(states.mean(0))
    assert problem.modes is not None
    problem = replace(problem, modes=principal_modes(states, 3, box=problem.modes.shape[-1]))
    settings = SMALL | {"encoder": "object", "epochs": EPOCHS, "learning_rate": 5e-3, "count": 30}
    method = build(problem, **settings, latent_dim=1, score="ring", beta_peak=1.0)
    terms = method(images.batch(torch.arange(8)), method.stages[-1], 0.5)
    assert set(terms) == {"ring", "stretching", "spread", "divergence"}
    train(method, images, tmp_path / "run", problem=problem)
    found = Latents.load(tmp_path / "run" / "latents" / f"{EPOCHS:04d}.npz")
    z = torch.as_tensor(found.mean)[:, 0]
    assert abs(spearmanr(z, state).statistic) > 0.9
    with torch.no_grad():
        ends = torch.stack([z[state == end].mean(0, keepdim=True) for end in (0, 4)])
        density = method.decode(ends).voxels(BOX, PIXEL_SIZE)
        neutral = method.decode(torch.zeros(1, 1)).voxels(BOX, PIXEL_SIZE)[0]
    curve = fourier_shell_correlation(density[1] - density[0], states[4] - states[0])
    assert float(curve[1:3].min()) > 0.9  # to 32 Å: the ball is 20 Å wide, and images are few
    mean = states.mean(0)
    assert float((neutral * mean).sum() / (mean * mean).sum()) == pytest.approx(1.0, abs=0.05)
