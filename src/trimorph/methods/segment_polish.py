"""Polish: latents brought to where the decoder itself says that their images are most likely.

An encoder sees its images through a few modes at low resolution; what it says of them is a guess that all of
training shared. Once the decoder is learned, every image has a posterior of its own under it.

Letters: b images, d components of the latent, k directions in which latents are told, m numbers of an image.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.imaging import render_batch
from trimorph.core.noise import NoiseModel
from trimorph.core.volume import AbstractVolume
from trimorph.methods.base import Survey
from trimorph.methods.posterior import Posterior

COARSER = (2.0, 1.0)
"""Resolutions of the steps, in units of the finest: a turn is found from further off on coarse images."""

TOLD = 0.2
"""Share of a direction's variance that images have to tell, for it to be looked along."""

STEP = 0.03
"""Difference by which derivatives are taken, in standard deviations of the latents."""

Decode = Callable[[Tensor], AbstractVolume]


class Polish(nn.Module):
    """Gauss-Newton steps from the encoder's mean to that of the posterior under the decoder.

    The prior is the normal distribution with the moments of all latents, z = centre + axes t with t of unit
    variance; of its directions the first ``told`` are looked along, the others stay as they are. With
    whitened residuals u of an image and their derivatives J in t a step is -(J^T J + 1)^-1 (J^T u + t), and
    the covariance (J^T J + 1)^-1.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("told", torch.tensor(0))
        self.register_buffer("centre", torch.zeros(latent_dim))
        self.register_buffer("axes", torch.eye(latent_dim))
        self.told: Tensor
        self.centre: Tensor
        self.axes: Tensor
        register: Any = self.register_load_state_dict_pre_hook
        register(_none_of_old)

    @torch.no_grad()
    def begin(self, encode: Callable[[Batch], Posterior], survey: Survey, *, resolution: float | None) -> str:
        """Take the moments of latents as they are said now, and be ready; a line for the user."""
        self.told.zero_()
        size = len(self.centre)
        total = torch.zeros(1 + size + 2 * size * size, dtype=torch.float64, device=self.centre.device)
        for batch in survey.batches(resolution):
            said = encode(batch)
            mean, covariance = said.mean.double(), said.covariance.double()
            outer = mean[:, :, None] * mean[:, None]
            parts = [torch.ones_like(mean[:, :1]), mean, outer.flatten(1), covariance.flatten(1)]
            total += torch.cat(parts, dim=1).sum(0)
        total = survey.total(total)
        total = total / total[0].clamp_min(1)
        centre, second, within = total[1:].split([size, size * size, size * size])
        between = second.view(size, size) - centre[:, None] * centre
        least = 1e-9 * torch.eye(size).to(between)
        whole = torch.linalg.cholesky(between + within.view(size, size) + least)
        half = torch.linalg.solve_triangular(whole, between, upper=False)
        share, direction = torch.linalg.eigh(torch.linalg.solve_triangular(whole, half.mT, upper=False))
        self.centre.copy_(centre)
        self.axes.copy_((whole @ direction).flip(1))
        self.told.fill_(int((share > TOLD).sum()))
        return (
            f"latents: images tell {int(self.told)} directions of {size}, along which they are brought to "
            "where the decoder says that they lie"
        )

    @torch.no_grad()
    def forward(self, said: Posterior, batch: Batch, decode: Decode, noise: NoiseModel) -> Posterior:
        """The posterior of each image under the decoder; as the encoder says it where no step is better."""
        if not self.told:
            return said
        with torch.autocast(batch.disk.device.type, enabled=False):
            return self._polished(Posterior(said.mean.float(), said.factor.float()), batch, decode, noise)

    def _polished(self, said: Posterior, batch: Batch, decode: Decode, noise: NoiseModel) -> Posterior:
        told, inverse = int(self.told), torch.linalg.inv(self.axes)
        place = (said.mean - self.centre) @ inverse.mT
        finest = batch.disk.box * batch.disk.pixel_size / float(batch.disk.radius[-1])
        precision = torch.eye(told).to(place)
        for coarser in COARSER:
            seen = batch.limit(batch.disk.limit(resolution=coarser * finest))
            residual = partial(self._residual, batch=seen, decode=decode, noise=noise)
            place, precision = _step(residual, place, told)
        known = torch.linalg.cholesky(torch.linalg.inv(precision))
        parts = self.axes[:, :told] @ known, self.axes[:, told:] @ (inverse @ said.factor)[:, told:]
        whole = torch.cat(parts, dim=2)  # whose square is the covariance
        return Posterior(self.centre + place @ self.axes.mT, torch.linalg.qr(whole.mT).R.mT)

    def _residual(
        self, t: Float[Tensor, "b d"], *, batch: Batch, decode: Decode, noise: NoiseModel
    ) -> Float[Tensor, "b m"]:
        unit = (batch.disk.weight / noise.at(batch.disk, batch.group)).sqrt()
        image = render_batch(decode(self.centre + t @ self.axes.mT), batch)
        return torch.view_as_real((image - batch.image) * unit).flatten(1)


def _step(
    residual: Callable[[Tensor], Tensor], place: Float[Tensor, "b d"], told: int
) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b k k"]]:
    """One step where it makes the image more likely, or none; and the precision where it began."""

    def cost(t: Float[Tensor, "b d"], misfit: Float[Tensor, "b m"]) -> Float[Tensor, " b"]:
        return 0.5 * (misfit.square().sum(1) + t[:, :told].square().sum(1))

    here = residual(place)
    ahead = STEP * torch.eye(place.shape[1]).to(place)[:told]
    slope = torch.stack([(residual(place + one) - here) / STEP for one in ahead], dim=2)
    precision = slope.mT @ slope + torch.eye(told).to(place)
    pull = (slope.mT @ here[..., None])[..., 0] + place[:, :told]
    move = torch.zeros_like(place)
    move[:, :told] = -torch.linalg.solve(precision, pull)
    there = place + move
    better = cost(there, residual(there)) < cost(place, here)
    return torch.where(better[:, None], there, place), precision


def _none_of_old(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """What checkpoints lack from before latents were polished."""
    for name, values in module.named_buffers():
        state.setdefault(prefix + name, values)
