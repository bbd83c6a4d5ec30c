"""ResidualMLP: the plain network of encoders and decoders."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.methods.residual_chain import residual_chain


class ResidualMLP(nn.Module):
    """Linear, ReLU, then ``layers`` times (linear + skip, ReLU), then linear.

    ``condition`` features that all rows of a group share (a latent, shared by an image's pixels) enter the
    first layer through a matrix of their own, so that their part is computed once a group.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int,
        layers: int,
        condition: int = 0,
        last_bias: bool = True,
    ) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.condition = nn.Linear(condition, width, bias=False) if condition else None
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.last = nn.Linear(width, outputs, bias=last_bias)

    def forward(
        self, x: Float[Tensor, "v p i"], condition: Float[Tensor, "v c"] | None = None
    ) -> Float[Tensor, "v p o"]:
        """Apply to ``p`` rows of each of ``v`` groups."""
        last = self.last
        bias = last.weight.new_zeros(len(last.weight)) if last.bias is None else last.bias
        return self._chain(x, condition, last.weight, bias)

    def units(self, x: Float[Tensor, "v p i"]) -> Float[Tensor, "v p w"]:
        """The last hidden layer's units, of which the outputs are sums."""
        last = self.last.weight
        width = last.shape[1]
        return self._chain(x, None, torch.eye(width).to(last), last.new_zeros(width))

    def _chain(self, x: Tensor, condition: Tensor | None, weight: Tensor, bias: Tensor) -> Tensor:
        groups, rows = x.shape[:2]
        shared = x.new_zeros(groups, len(self.first.bias))
        if self.condition is not None and condition is not None:
            shared = self.condition(condition).to(x.dtype)
        layers = [self.first, *self.hidden]
        parameters = [value for layer in layers for value in (layer.weight, layer.bias)]
        parameters += [weight, bias]
        return residual_chain(x.reshape(groups * rows, -1), shared, parameters).view(groups, rows, -1)
