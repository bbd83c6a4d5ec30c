"""A residual network as one differentiable step that works through its rows in pieces that fit the cache.

Autograd's own graph of the same network writes and reads every intermediate of every row in turn; on a CPU
that costs as much as the matrix products. Here a piece of rows goes through all layers, and only the
activations after each ReLU are kept, a tensor for each piece: small enough to come from memory that the
process has touched before. Where no gradient is wanted, none are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

CACHE_VALUES = 2**18
"""Values of one layer's activations that a piece may hold on a CPU."""


def residual_chain(
    x: Float[Tensor, "r i"], shared: Float[Tensor, "v w"], parameters: list[Tensor]
) -> Float[Tensor, "r o"]:
    """First linear layer plus ``shared``, ReLU, residual layers with ReLU, last linear layer.

    ``shared`` holds one row for each of ``v`` equal runs of rows of ``x``. ``parameters`` are weight and
    bias of every layer in order; the layers between the first and the last are residual. Under autocast the
    products are in its precision; the result is in that of ``x``.
    """
    if not torch.is_grad_enabled():
        return _through(x, shared, parameters)[0]
    return _apply(x, shared, *parameters)


class _ResidualChain(torch.autograd.Function):
    """y0 = relu(W0 x + b0 + shared); y(l+1) = relu(Wl yl + bl + yl); output = W y + b."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shared: Tensor, *parameters: Tensor) -> Tensor:
        kept: list[Tensor] = []
        output, inputs = _through(x, shared, parameters, kept=kept)
        ctx.layers = len(parameters) // 2
        ctx.save_for_backward(inputs, shared, *parameters, *kept)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, shared, *rest = ctx.saved_tensors
        parameters, kept = rest[: 2 * ctx.layers], rest[2 * ctx.layers :]
        dtype, rows = inputs.dtype, len(inputs)
        gradient = gradients[0].to(dtype)
        layers = _layers([parameter.to(dtype) for parameter in parameters])
        to_parameters = [torch.zeros_like(parameter) for parameter in parameters]
        targets = _layers(to_parameters)
        to_shared = torch.zeros_like(shared)
        to_input = gradients[0].new_empty(inputs.shape) if ctx.needs_input_grad[0] else None
        owner = _owner(rows, shared)
        depth = ctx.layers - 1
        for number, piece in enumerate(_pieces(rows, shared.shape[1], inputs.device.type)):
            y = kept[number * depth : (number + 1) * depth]
            g = gradient[piece]
            _accumulate(targets[-1], g, y[-1])
            g = g @ layers[-1][0]
            for level in range(depth - 1, 0, -1):
                g = torch.ops.aten.threshold_backward(g, y[level], 0)
                _accumulate(targets[level], g, y[level - 1])
                g = torch.addmm(g, g, layers[level][0])
            g = torch.ops.aten.threshold_backward(g, y[0], 0)
            _accumulate(targets[0], g, inputs[piece])
            to_shared.index_add_(0, owner[piece], g.to(to_shared.dtype))
            if to_input is not None:
                to_input[piece] = g @ layers[0][0]
        return to_input, to_shared, *to_parameters


_apply: Callable[..., Tensor] = _ResidualChain.apply


def _through(
    x: Tensor, shared: Tensor, parameters: Sequence[Tensor], *, kept: list[Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """The output, and x in the precision of the products; activations are appended to ``kept``."""
    kind = x.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
    with torch.autocast(kind, enabled=False):
        inputs, common = x.to(dtype), shared.to(dtype)
        layers = _layers([parameter.to(dtype) for parameter in parameters])
        rows = len(x)
        output = x.new_empty(rows, len(layers[-1][1]))
        owner = _owner(rows, shared)
        for piece in _pieces(rows, shared.shape[1], kind):
            y = torch.addmm(layers[0][1], inputs[piece], layers[0][0].T)
            y.add_(common[owner[piece]]).relu_()
            if kept is not None:
                kept.append(y)
            for weight, bias in layers[1:-1]:
                y = torch.addmm(y, y, weight.T).add_(bias).relu_()
                if kept is not None:
                    kept.append(y)
            output[piece] = torch.addmm(layers[-1][1], y, layers[-1][0].T)
    return output, inputs


def _layers(parameters: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(parameters[::2], parameters[1::2], strict=True))


def _owner(rows: int, shared: Tensor) -> Tensor:
    return torch.arange(rows, device=shared.device) // (rows // len(shared))


def _pieces(rows: int, width: int, kind: str) -> list[slice]:
    step = max(CACHE_VALUES // width, 64) if kind == "cpu" else rows
    return [slice(start, min(start + step, rows)) for start in range(0, rows, max(step, 1))]


def _accumulate(target: tuple[Tensor, Tensor], gradient: Tensor, inputs: Tensor) -> None:
    """Add a piece's share to the gradients of a weight and a bias, in place."""
    weight, bias = target
    if weight.dtype == gradient.dtype:
        weight.addmm_(gradient.T, inputs)
    else:
        weight.add_(gradient.T @ inputs)
    bias.add_(gradient.sum(0))
