"""NeutralCloud: the Gaussians that do not move, as parameters in units that fit one learning rate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trimorph.core.gaussians import Gaussians


class NeutralCloud(nn.Module):
    """Room for ``room`` Gaussians, of which the first ``alive`` are used.

    Positions are kept in units of ``spacing`` (Å), amplitudes in units of ``strength``, the mean size of
    those that are not zero, and
    widths as logarithms of Å.
    """

    def __init__(self, room: int, *, spacing: float) -> None:
        super().__init__()
        self.spacing = spacing
        self.position = nn.Parameter(torch.zeros(room, 3))
        self.amplitude = nn.Parameter(torch.zeros(room))
        self.log_width = nn.Parameter(torch.zeros(room))
        self.register_buffer("alive", torch.tensor(room))
        self.register_buffer("strength", torch.tensor(1.0))
        self.alive: Tensor
        self.strength: Tensor

    @torch.no_grad()
    def adopt(self, cloud: Gaussians) -> None:
        """Become a cloud (v = 1) of at most ``room`` Gaussians."""
        count = cloud.position.shape[1]
        self.alive.fill_(count)
        size = cloud.amplitude.abs()
        self.strength.copy_(size.sum() / (size > 0).sum().clamp_min(1))
        self.position[:count] = cloud.position[0] / self.spacing
        self.amplitude[:count] = cloud.amplitude[0] / self.strength
        self.log_width[:count] = cloud.width[0].log()

    def forward(self) -> Gaussians:
        """The cloud."""
        used = slice(int(self.alive))
        return Gaussians(
            self.spacing * self.position[None, used],
            self.strength * self.amplitude[None, used],
            self.log_width[None, used].exp(),
        )
