"""What images say of modes fitted to others: how much each mode gains, how far the latents spread.

Letters: s sets of modes, k modes, c box of their grid, n particles.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.methods.base import Survey
from trimorph.methods.mode_frame import ModeFrame


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What each mode adds to the log-likelihood of an image, and that mean's standard error.

    ``deviation``: by how much each set's latents spread, in units of what its modes take as their prior's
    standard deviation.
    """

    gain: Float[Tensor, " k"]
    error: Float[Tensor, " k"]
    deviation: Float[Tensor, "s k"]


def best_total(gain: Float[Tensor, " k"]) -> float:
    """What the best number of leading modes, at least one, gains together."""
    return float(gain.cumsum(0).max())


def held_out(
    frame: ModeFrame,
    sets: Float[Tensor, "s k c c c"],
    which: Int[Tensor, " n"],
    *,
    resolution: float,
    survey: Survey,
) -> HeldOut:
    """Look at each particle through the set of modes that ``which`` names, which has not seen it."""
    count = sets.shape[1]
    sums = torch.zeros(len(sets), 4, count, dtype=torch.float64, device=sets.device)
    for batch in survey.batches(resolution):
        side = which[batch.index]
        found, _ = frame.posterior(sets, batch, which=side)
        gain = found.gain[:, -count:].double()
        square = (found.mean**2 + found.covariance.diagonal(dim1=1, dim2=2))[:, -count:].double()
        sums.index_add_(0, side, torch.stack([torch.ones_like(gain), gain, gain**2, square], 1))
    sums = survey.total(sums)
    number, total, power, _ = sums.sum(0)
    mean = total / number
    spread = (power / number - mean**2).clamp_min(0) / (number - 1)
    return HeldOut(mean.float(), spread.sqrt().float(), (sums[:, 3] / sums[:, 0]).sqrt().float())


def second_moment(
    frame: ModeFrame, modes: Float[Tensor, "k c c c"], *, resolution: float, survey: Survey
) -> Float[Tensor, "k k"]:
    """Mean over the particles of E[z z^T], which is 1 where the modes are as long as they should be.

    Source: the expanded M-step of Liu, Rubin & Wu, Biometrika 85 (1998) 755, for the latents' covariance.
    """
    count = len(modes)
    sums = torch.zeros(count, count + 1, dtype=torch.float64, device=modes.device)
    for batch in survey.batches(resolution):
        found, _ = frame.posterior(modes[None], batch)
        mean, covariance = found.mean[:, -count:].double(), found.covariance[:, -count:, -count:].double()
        sums[:, :count] += mean.T @ mean + covariance.sum(0)
        sums[:, count] += len(mean)
    sums = survey.total(sums)
    return (sums[:, :count] / sums[:, count:]).float()
