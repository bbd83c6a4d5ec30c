"""Latents are brought to the posterior that all places, tried one by one, give under the decoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.made_images import PIXEL_SIZE, MadeImages, make_images
from trimorph.core.batch import Batch
from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.core.imaging import render_batch
from trimorph.core.losses import whitened_likelihood
from trimorph.methods.posterior import Posterior
from trimorph.methods.segment_polish import Polish
from trimorph.methods.segment_settings import SegmentsSettings

BOX, COUNT, PATH = 24, 120, 10.0
"""Pixels, images, and Å that a ball goes for a unit of the latent's first component."""

GRID = torch.linspace(-4, 4, 801)


@dataclass
class All:
    """A survey of all images."""

    images: MadeImages

    def batches(self, resolution: float | None) -> Iterator[Batch]:
        assert resolution is None
        yield from self.images.batches(torch.arange(COUNT), 50)

    def total(self, values: Tensor) -> Tensor:
        return values


def decode(z: Tensor) -> Gaussians:
    """A ball that stays, and one that a latent's first component moves; the second says nothing."""
    moving = torch.stack([20 + 0 * z[:, 0], PATH * z[:, 0], 0 * z[:, 0]], dim=1)
    position = torch.stack([torch.zeros_like(moving), moving], dim=1)
    return Gaussians(position, torch.full((1, 2), 4000.0), torch.full((1, 2), 5.0))


@pytest.fixture(scope="module")
def made() -> tuple[MadeImages, Tensor]:
    """Images of voxels, and the first component of each."""
    states = torch.linspace(-2.4, 2.4, 25)
    maps = torch.cat([decode(torch.stack([z, z])[None]).voxels(BOX, PIXEL_SIZE) for z in states])
    middle = torch.arange(COUNT) % 25
    return make_images(maps, middle, noise_level=0.7), states[middle]


def guesses(truth: Tensor) -> Posterior:
    """An encoder that errs by a third; its components are turned by 45 degrees against the true ones."""
    error = 0.35 * torch.randn(COUNT, generator=torch.Generator().manual_seed(1))
    mean = torch.stack([truth + error, 1e-3 * error], dim=1)
    return Posterior(mean, torch.tensor([[0.35, 0.0], [0.1, 1.0]]).expand(COUNT, -1, -1))


def some(said: Posterior, rows: Tensor) -> Posterior:
    return Posterior(said.mean[rows], said.factor[rows])


def test_the_polished_posterior_is_that_of_all_places(made: tuple[MadeImages, Tensor]) -> None:
    images, truth = made
    said, polish = guesses(truth), Polish(2)
    line = polish.begin(lambda batch: some(said, batch.index), All(images), resolution=None)
    assert line.startswith("latents: images tell 1 directions of 2")
    batch = images.batch(torch.arange(COUNT))
    found = polish(said, batch, decode, images.noise)
    power = images.noise.at(batch.disk, batch.group)
    other = said.mean[:, 1]  # as it is left, nearly
    misfit = []
    for place in GRID:
        predicted = render_batch(decode(torch.stack([place + 0 * other, other], dim=1)), batch)
        misfit.append(whitened_likelihood(predicted, batch.image, power=power, disk=batch.disk))
    variance = said.mean[:, 0].var(correction=0) + 0.35**2
    prior = -0.5 * (GRID - said.mean[:, 0].mean()).square() / variance
    weight = torch.softmax(prior - torch.stack(misfit, dim=1), dim=1)
    mean = weight @ GRID
    spread = (weight @ GRID.square() - mean.square()).sqrt()
    before, after = ((one - mean).square().mean().sqrt() for one in (said.mean[:, 0], found.mean[:, 0]))
    assert 0.01 < float(spread.median()) < 0.2
    assert float(before) > 0.3
    assert float(((found.mean[:, 0] - mean) / spread).abs().quantile(0.9)) < 0.5
    assert float(after) < 0.3 * float(before)
    told = found.covariance[:, 0, 0].sqrt() / spread
    assert 0.8 < float(told.median()) < 1.25
    torch.testing.assert_close(found.covariance[:, 1, 1], said.covariance[:, 1, 1], rtol=0.02, atol=0)


def test_nothing_is_polished_before_the_end(made: tuple[MadeImages, Tensor]) -> None:
    images, truth = made
    said, polish = guesses(truth), Polish(2)
    assert polish(said, images.batch(torch.arange(COUNT)), decode, images.noise) is said
    polish.load_state_dict({})  # as in checkpoints from before
    assert int(polish.told) == 0


@pytest.mark.parametrize(
    "changes", [{"latent_dim": 0}, {"encoder": "given"}, {"encoder": "none"}, {"score": "correlation"}]
)
def test_what_is_not_guessed_or_has_no_likelihood_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"Found polish with .* Leave --polish out"):
        replace(SegmentsSettings(polish=True), **changes)
