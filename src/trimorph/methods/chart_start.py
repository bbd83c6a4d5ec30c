"""What a latent chart lets one expect of every particle, and a network that starts from that.

Letters: n particles, k modes, m landmarks, c coordinates, f features.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.methods.latent_chart import LatentChart
from trimorph.methods.posterior import Posterior

STEPS, BATCH, RATE = 1000, 256, 1e-3
RESOLVED = 0.05
"""Least standard deviation that is expected of a coordinate, in units of that of all particles."""


def expected_coordinates(
    chart: LatentChart, mean: Float[Tensor, "n k"], covariance: Float[Tensor, "n k k"]
) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n c"]]:
    """Mean and variance of each particle's coordinates, the landmarks being all places where it may be.

    ``mean`` and ``covariance`` are in units of the modes' prior. A particle's images say of its modes x
    exp(-x^T D x / 2 + h^T x), with D = covariance^-1 - 1 and h = covariance^-1 mean; a landmark's own modes
    are known with the landmarks' mean covariance S, so that D is (1 + D S)^-1 D and h is (1 + D S)^-1 h.
    """
    one = torch.eye(mean.shape[1], dtype=torch.float64)
    landmark = torch.as_tensor(chart.landmark)
    precision = torch.linalg.inv(covariance.double())
    told = precision - one
    blur = torch.linalg.inv(one + told @ covariance[landmark].double().mean(0))
    data, pull = blur @ told, (blur @ precision @ mean.double()[..., None])[..., 0]
    place = mean.double()[landmark]
    square = (place[:, :, None] * place[:, None, :]).flatten(1)
    share = torch.softmax(pull @ place.mT - 0.5 * data.flatten(1) @ square.mT, dim=1)
    coordinate = torch.as_tensor(chart.coordinate)
    expected = share @ coordinate
    variance = (share @ coordinate**2 - expected**2).clamp_min(RESOLVED**2)
    return expected.float(), variance.float()


def fit_start(network: nn.Module, features: Float[Tensor, "n f"], target: Posterior) -> None:
    """Teach an encoder's network (features to mean and log-variance) the posteriors of these particles.

    The cross-entropy of the network's independent components with the target's is minimised.
    """
    generator = torch.Generator().manual_seed(0)
    device = next(network.parameters()).device
    features, wanted = features.to(device), target.mean.to(device)
    variance = target.covariance.diagonal(dim1=-2, dim2=-1).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    with torch.enable_grad():
        for _ in range(STEPS):
            some = torch.randint(len(features), (BATCH,), generator=generator).to(device)
            mean, log_variance = network(features[some][None])[0].float().chunk(2, dim=-1)
            error = variance[some] + (mean - wanted[some]) ** 2
            loss = 0.5 * (log_variance + error * torch.exp(-log_variance)).sum(-1).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimiser.step()
