"""Encoders: from a batch to the posterior of its latents. Every method can use any of them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.noise import NoiseModel
from trimorph.methods.image_symmetry import ImageSymmetry
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.particle_rows import ParticleRows
from trimorph.methods.posterior import Posterior


class PixelEncoder(nn.Module):
    """The papers' encoder: a network that sees the centred, phase-flipped, whitened half plane.

    Its input are the frequencies up to ``disk``; what a coarser batch does not hold is zero. Its output is
    the mean over the image's turns and mirrors, so a latent cannot depend on them.
    Source: Zhong et al., Nature Methods 18 (2021) 176, Methods; the mean over the images is ours.
    """

    def __init__(self, disk: FourierDisk, latent_dim: int, *, width: int, layers: int) -> None:
        super().__init__()
        self.pixels = len(disk)
        self.symmetry = ImageSymmetry(disk)
        self.network = ResidualMLP(2 * self.pixels, 2 * latent_dim, width=width, layers=layers)

    def forward(self, batch: Batch, noise: NoiseModel) -> Posterior:
        """Posterior with independent components."""
        batch = batch.limit(batch.disk.first(self.pixels))
        flipped = batch.image * torch.sign(batch.ctf(batch.disk)) / noise.at(batch.disk, batch.group).sqrt()
        pixels = torch.view_as_real(self.symmetry(flipped).resolve_conj())
        missing = self.pixels - pixels.shape[2]
        features = nn.functional.pad(pixels, (0, 0, 0, missing)).flatten(2)
        mean, log_variance = self.network(features).float().mean(1).chunk(2, dim=-1)
        return Posterior.diagonal(mean, log_variance)


class LatentTable(nn.Module):
    """No encoder: every particle's latent is a parameter of its own (an autodecoder)."""

    def __init__(self, particles: int, latent_dim: int) -> None:
        super().__init__()
        self.rows = ParticleRows(particles, latent_dim)

    def forward(self, batch: Batch, noise: NoiseModel) -> Posterior:
        """The particles' own latents, without uncertainty."""
        return Posterior.point(self.rows(batch.index))


class GivenLatents(nn.Module):
    """No encoder: every particle's latent is known and stays as it is."""

    def __init__(self, latents: Float[Tensor, "n d"]) -> None:
        super().__init__()
        self.register_buffer("latents", latents.clone(), persistent=False)
        self.latents: Tensor

    def forward(self, batch: Batch, noise: NoiseModel) -> Posterior:
        """The particles' latents, without uncertainty."""
        return Posterior.point(self.latents[batch.index])


class NoLatent(nn.Module):
    """Latents of dimension 0, for a homogeneous model."""

    def forward(self, batch: Batch, noise: NoiseModel) -> Posterior:
        """Posterior over nothing."""
        empty: Float[Tensor, "b 0"] = batch.image.real.new_zeros(len(batch), 0)
        return Posterior.point(empty)
