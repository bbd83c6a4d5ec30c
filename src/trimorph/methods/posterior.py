"""Posterior: what an encoder says of a particle's latent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Posterior:
    """Gaussian over the latent of each image: mean, and the lower-triangular factor of its covariance.

    A factor of zeros is a point, as for latents that are themselves parameters.
    """

    mean: Float[Tensor, "b d"]
    factor: Float[Tensor, "b d d"]

    @classmethod
    def diagonal(cls, mean: Float[Tensor, "b d"], log_variance: Float[Tensor, "b d"]) -> Posterior:
        """Independent components."""
        return cls(mean, torch.diag_embed(torch.exp(0.5 * log_variance)))

    @classmethod
    def point(cls, mean: Float[Tensor, "b d"]) -> Posterior:
        """No uncertainty."""
        return cls(mean, mean.new_zeros(*mean.shape, mean.shape[-1]))

    def detach(self) -> Posterior:
        """The same, from which no gradient flows back."""
        return Posterior(self.mean.detach(), self.factor.detach())

    def moved(self, by: Float[Tensor, " d"]) -> Posterior:
        """The same about another place."""
        return Posterior(self.mean + by, self.factor)

    def leading(self, count: int) -> Posterior:
        """The first ``count`` components, and the standard normal prior in place of the others."""
        keep = (torch.arange(self.mean.shape[1], device=self.mean.device) < count).to(self.mean)
        rest = torch.diag_embed((1 - keep).expand_as(self.mean))
        return Posterior(self.mean * keep, self.factor * keep[:, None] * keep + rest)

    @property
    def covariance(self) -> Float[Tensor, "b d d"]:
        """Covariance of each latent."""
        return self.factor @ self.factor.mT

    def sample(self) -> Float[Tensor, "b d"]:
        """One draw an image, differentiable in mean and factor, from torch's own random state."""
        noise = torch.randn_like(self.mean)
        return self.mean + (self.factor * noise[..., None, :]).sum(-1)

    def divergence(self) -> Float[Tensor, "b d"]:
        """Kullback-Leibler divergence to the standard normal prior, in parts that sum to it.

        KL = sum_i (|row i of the factor|^2 + mean_i^2 - 1) / 2 - log factor_ii; for a point, the logarithm is
        left out. Where components are independent, part i is that of component i.
        """
        diagonal = self.factor.diagonal(dim1=-2, dim2=-1).abs()
        logarithm = torch.where(diagonal > 0, diagonal, 1.0).log()
        return 0.5 * ((self.factor**2).sum(-1) + self.mean**2 - 1) - logarithm
