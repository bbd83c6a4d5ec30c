"""ResidualMLP: the plain network of encoders and decoders."""

from __future__ import annotations

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
        groups, rows = x.shape[:2]
        shared = x.new_zeros(groups, len(self.first.bias))
        if self.condition is not None and condition is not None:
            shared = self.condition(condition).to(x.dtype)
        layers = [self.first, *self.hidden]
        bias = self.last.weight.new_zeros(len(self.last.weight)) if self.last.bias is None else self.last.bias
        parameters = [value for layer in layers for value in (layer.weight, layer.bias)]
        parameters += [self.last.weight, bias]
        return residual_chain(x.reshape(groups * rows, -1), shared, parameters).view(groups, rows, -1)
