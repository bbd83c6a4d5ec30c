"""CloudDecoder: how latents move, strengthen and widen the Gaussians of a neutral model.

Letters: v latents, d their dimension, g Gaussians, a anchors, r rows of the network's output.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.screw import screw_displacement
from trimorph.methods.networks import ResidualMLP

Decoding = Literal["anchors", "coordinates", "every"]

STEP, STRENGTH, WIDENING = 5.0, 0.5, 0.1
"""What an output of one stands for: Å, a share of the mean amplitude, and the logarithm of a width."""


@dataclass(frozen=True, eq=False)
class CloudChange:
    """Displacements in Å, changes of amplitudes in units of their mean, and of the logarithms of widths."""

    displacement: Float[Tensor, "v g 3"]
    amplitude: Float[Tensor, "v g"]
    log_width: Float[Tensor, "v g"]

    @classmethod
    def none(cls, count: int, position: Float[Tensor, "g 3"]) -> CloudChange:
        """No change of Gaussians at these positions, ``count`` times."""
        still = torch.zeros_like(position).expand(count, -1, -1)
        return cls(still, still[..., 0], still[..., 0])


class CloudDecoder(nn.Module):
    """Changes f(z) - f(0), so that z = 0 is the neutral model by construction.

    ``anchors``: a network gives the screw motions of a few anchors (a turn and a slide each, at the anchor),
    and a Gaussian follows the mean of those around it: a domain that turns about a hinge, however far, is
    linear in the latent. ``coordinates``: a network of place and latent gives those of an anchor, so that
    its size does not depend on their number. ``every``: a network displaces every Gaussian, as in e2gmm
    (Chen & Ludtke, Nature Methods 18 (2021) 930), and nothing keeps neighbours together.
    ``radius`` (Å) of the particle sets the scale of turns.
    """

    def __init__(
        self,
        kind: Decoding,
        latent_dim: int,
        *,
        gaussians: int,
        anchors: int,
        width: int,
        layers: int,
        radius: float,
    ) -> None:
        super().__init__()
        self.kind, self.radius, self.gaussians = kind, radius, gaussians
        network = partial(ResidualMLP, width=width, layers=layers, last_bias=False)  # f(z) - f(0) has none
        self.outputs = 5 if kind == "every" else 8
        if kind == "coordinates":
            self.network = network(3, self.outputs, condition=latent_dim)
        else:
            rows = gaussians if kind == "every" else anchors
            self.network = network(latent_dim, self.outputs * rows)
        nn.init.zeros_(self.network.last.weight)
        self.register_buffer("anchors", torch.zeros(0 if kind == "every" else anchors, 3))
        self.anchors: Tensor

    @property
    def freedom(self) -> int:
        """Numbers that set a displacement of the whole: three a Gaussian, or a turn and a slide an anchor."""
        return 3 * self.gaussians if self.kind == "every" else 6 * len(self.anchors)

    def settle(self, position: Float[Tensor, "g 3"]) -> None:
        """Spread the anchors over the neutral model, each as far as can be from those before it."""
        if self.kind != "every":
            self.anchors.copy_(farthest_points(position, len(self.anchors)))

    def forward(self, z: Float[Tensor, "v d"], position: Float[Tensor, "g 3"]) -> CloudChange:
        """Changes of the Gaussians at neutral ``position`` (Å)."""
        both = self._rows(torch.cat([z, torch.zeros_like(z[:1])]))
        with torch.autocast(both.device.type, enabled=False):
            return self._change(both[:-1] - both[-1:], position)

    def _change(self, change: Float[Tensor, "v r o"], position: Float[Tensor, "g 3"]) -> CloudChange:
        if self.kind == "every":
            change = change[:, : len(position)]
            displacement = STEP * change[..., :3]
        else:
            turn, slide = STEP / self.radius * change[..., :3], STEP * change[..., 3:6]
            slide = slide - torch.linalg.cross(turn, self.anchors.expand_as(turn))  # as seen at the origin
            share = self.spread(position)
            displacement = screw_displacement(share @ turn, share @ slide, position)
            change = share @ change[..., 6:]
        return CloudChange(displacement, STRENGTH * change[..., -2], WIDENING * change[..., -1])

    def spread(self, position: Float[Tensor, "g 3"]) -> Float[Tensor, "g a"]:
        """Share of each anchor in a Gaussian: exp(-distance^2 / (2 h^2)), summing to one over the anchors.

        h is the mean distance of an anchor to the next.
        """
        anchors = self.anchors.detach()
        apart = torch.cdist(anchors, anchors)
        apart.fill_diagonal_(float("inf"))
        reach = apart.amin(1).mean().clamp(1e-3, 1e3)
        return torch.softmax(-0.5 * (torch.cdist(position.detach(), anchors) / reach) ** 2, dim=1)

    def _rows(self, z: Float[Tensor, "v d"]) -> Float[Tensor, "v r o"]:
        if self.kind == "coordinates":
            place = (self.anchors / self.radius).expand(len(z), -1, -1)
            found: Tensor = self.network(place, z)
        else:
            found = self.network(z[:, None])
        return found.float().view(len(z), -1, self.outputs)


def farthest_points(position: Float[Tensor, "g 3"], count: int) -> Float[Tensor, "a 3"]:
    """Points that are far from one another, the first nearest to the centre; points repeat if too few.

    >>> farthest_points(torch.tensor([[0.0, 0, 0], [1, 0, 0], [9, 0, 0]]), 2)
    tensor([[1., 0., 0.],
            [9., 0., 0.]])
    """
    chosen = [int((position - position.mean(0)).norm(dim=1).argmin())]
    distance = torch.full_like(position[:, 0], float("inf"))
    for _ in range(count - 1):
        distance = torch.minimum(distance, (position - position[chosen[-1]]).norm(dim=1))
        chosen.append(int(distance.argmax()))
    return position[chosen]
