"""slices: the transforms of Gaussians on an image's disk, with their gradients worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Complex, Int
from torch import Tensor

from trimorph.core.gaussian_cloud import PlaneCloud
from trimorph.core.gaussian_route import Share


def slices(cloud: PlaneCloud, index: Int[Tensor, "n 2"], shares: Sequence[Share]) -> Complex[Tensor, "b n"]:
    """sum_g amplitude exp(-2 pi^2 variance k^2 - 2 pi i k plane) at the frequencies ``index`` (kx, ky).

    Nothing but the cloud is kept for the gradient. Derivatives are of first order, backward and forward.

    >>> from trimorph.core.gaussian_product import ProductRoute
    >>> cloud = PlaneCloud(torch.zeros(1, 1, 2), torch.ones(1, 1), torch.zeros(1, 1))
    >>> slices(cloud, torch.tensor([[0, 0], [2, -1]]), [Share(None, 2, ProductRoute(2))])
    tensor([[1.+0.j, 1.+0.j]])
    """
    return _slices(cloud.plane, cloud.amplitude, cloud.variance, index, shares)


class _Slices(torch.autograd.Function):
    """The slices as one step of autograd; matrix products keep their precision under autocast."""

    @staticmethod
    def forward(
        plane: Tensor, amplitude: Tensor, variance: Tensor, index: Tensor, shares: Sequence[Share]
    ) -> Tensor:
        cloud = PlaneCloud(plane, amplitude, variance)
        out = torch.zeros(len(plane), len(index), dtype=plane.dtype.to_complex(), device=plane.device)
        with torch.autocast(plane.device.type, enabled=False):
            for some, pixels, route in shares:
                out[:, :pixels] += route.slices(cloud.select(some), index[:pixels])
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.shares = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, residual: Tensor) -> tuple[Tensor | None, ...]:
        *numbers, index = ctx.saved_tensors
        cloud = PlaneCloud(*numbers)
        out = cloud.zeros_like()
        with torch.autocast(residual.device.type, enabled=False):
            for some, pixels, route in ctx.shares:
                out.put(some, route.gradients(cloud.select(some), index[:pixels], residual[:, :pixels]))
        return out.plane, out.amplitude, out.variance, None, None

    @staticmethod
    def jvp(ctx: Any, *change: Any) -> Tensor:
        *numbers, index = ctx.saved_tensors
        cloud = PlaneCloud(*numbers)
        moved = PlaneCloud(
            *(
                torch.zeros_like(number) if tangent is None else tangent
                for number, tangent in zip(numbers, change[:3], strict=True)
            )
        )
        out = torch.zeros(
            len(cloud.plane), len(index), dtype=cloud.plane.dtype.to_complex(), device=index.device
        )
        with torch.autocast(index.device.type, enabled=False):
            for some, pixels, route in ctx.shares:
                out[:, :pixels] += route.tangent(cloud.select(some), index[:pixels], moved.select(some))
        return out


_slices: Callable[..., Tensor] = _Slices.apply
