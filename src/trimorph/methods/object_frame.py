"""ObjectFrameEncoder: what an image says of a few modes of density, mapped to its latent."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.noise import NoiseModel
from trimorph.methods.base import Problem
from trimorph.methods.mode_frame import ModeFrame
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.posterior import Posterior


class ObjectFrameEncoder(nn.Module):
    """The exact posterior of the linear modes at the image's pose and CTF, then a small network.

    A network that sees pixels has to learn what a pose and a CTF do to them; here both are undone by the
    model itself, and the posterior's covariance tells what a view cannot know. The network's input are the
    posterior's mean (k) and the lower half of its covariance (k (k + 1) / 2). Modes are fixed; poses that
    are refined change the input, without a gradient.
    """

    def __init__(self, problem: Problem, latent_dim: int, *, width: int, layers: int) -> None:
        super().__init__()
        if problem.mean is None or problem.modes is None or problem.modes_resolution is None:
            raise InputError(
                "ObjectFrameEncoder: found a problem without mean or modes; wanted both, as method linear "
                "makes them. Choose another encoder, or add to the problem what Method.wants names."
            )
        self.register_buffer("modes", problem.modes.clone())
        self.modes: Tensor
        self.frame = ModeFrame(
            problem.mean,
            NoiseModel(problem.noise.power / problem.window_share),
            disk=FourierDisk(problem.box, problem.pixel_size),
            resolution=problem.modes_resolution,
        )
        count = len(self.modes)
        self.lower = torch.tril_indices(count, count)
        self.network = ResidualMLP(count + self.lower.shape[1], 2 * latent_dim, width=width, layers=layers)

    def forward(self, batch: Batch, noise: NoiseModel) -> Posterior:
        """Posterior with independent components."""
        features = self.features(batch)
        mean, log_variance = self.network(features[None])[0].float().chunk(2, dim=-1)
        return Posterior.diagonal(mean, log_variance)

    @torch.no_grad()
    def features(self, batch: Batch) -> Float[Tensor, "b f"]:
        """Posterior mean and packed covariance of the modes, in units of their prior."""
        found, _ = self.frame.posterior(self.modes[None], batch)
        row, column = self.lower
        return torch.cat([found.mean, found.covariance[:, row, column]], dim=1)
