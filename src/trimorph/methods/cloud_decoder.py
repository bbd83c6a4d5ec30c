"""CloudDecoder: how latents move, strengthen and widen the Gaussians of a neutral model.

Letters: v latents, d their dimension, g Gaussians, a anchors, c = 5 changes of a Gaussian: of x, y, z, of its
amplitude, and of the logarithm of its width.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.methods.networks import ResidualMLP

Decoding = Literal["anchors", "coordinates", "every"]

CHANGES = 5


class CloudDecoder(nn.Module):
    """Changes f(z) - f(0), so that z = 0 is the neutral model by construction.

    ``anchors``: a network gives the changes of a few anchors, which spread smoothly to the Gaussians around
    them. ``coordinates``: a network of place and latent gives those of an anchor, so that its size does not
    depend on their number. ``every``: a network gives those of every Gaussian, as in e2gmm (Chen & Ludtke,
    Nature Methods 18 (2021) 930), and nothing keeps neighbours together.
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
        length: float,
    ) -> None:
        super().__init__()
        self.kind, self.length = kind, length
        size = {"width": width, "layers": layers}
        if kind == "coordinates":
            self.network = ResidualMLP(3, CHANGES, condition=latent_dim, **size)
        else:
            rows = gaussians if kind == "every" else anchors
            self.network = ResidualMLP(latent_dim, CHANGES * rows, **size)
        nn.init.zeros_(self.network.last.weight)
        nn.init.zeros_(self.network.last.bias)
        self.register_buffer("anchors", torch.zeros(0 if kind == "every" else anchors, 3))
        self.anchors: Tensor

    def settle(self, position: Float[Tensor, "g 3"]) -> None:
        """Spread the anchors over the neutral model, each as far as can be from those before it."""
        if self.kind != "every":
            self.anchors.copy_(farthest_points(position, len(self.anchors)))

    def forward(self, z: Float[Tensor, "v d"], position: Float[Tensor, "g 3"]) -> Float[Tensor, "v g 5"]:
        """Changes of the Gaussians at neutral ``position`` (Å)."""
        both = self._rows(torch.cat([z, torch.zeros_like(z[:1])]))
        change = both[:-1] - both[-1:]
        return change[:, : len(position)] if self.kind == "every" else self.spread(position) @ change

    def spread(self, position: Float[Tensor, "g 3"]) -> Float[Tensor, "g a"]:
        """Share of each anchor in a Gaussian: exp(-distance^2 / (2 h^2)), summing to one over the anchors.

        h is the mean distance of an anchor to the next.
        """
        anchors = self.anchors.detach()
        apart = torch.cdist(anchors, anchors)
        apart.fill_diagonal_(float("inf"))
        reach = apart.amin(1).mean().clamp(1e-3, 1e3)
        return torch.softmax(-0.5 * (torch.cdist(position.detach(), anchors) / reach) ** 2, dim=1)

    def _rows(self, z: Float[Tensor, "v d"]) -> Float[Tensor, "v r 5"]:
        if self.kind == "coordinates":
            place = (self.anchors / self.length).expand(len(z), -1, -1)
            found: Tensor = self.network(place, z)
        else:
            found = self.network(z[:, None])
        return found.float().view(len(z), -1, CHANGES)


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
