"""Fourier shell correlation of two densities."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def fourier_shell_correlation(
    first: Float[Tensor, "*v d d d"], second: Float[Tensor, "*v d d d"]
) -> Float[Tensor, "*v s"]:
    """Correlation of the transforms on shells 0 to ``d // 2``, shell = rounded radius.

    FSC(s) = Re sum F G* / sqrt(sum |F|^2 sum |G|^2).  Source: Harauz & van Heel, Optik 73 (1986) 146.
    A shell where either density is zero gives 0.

    >>> ball = torch.zeros(8, 8, 8); ball[3:6, 3:6, 3:6] = 1.0
    >>> fourier_shell_correlation(ball, -2 * ball).round().tolist()
    [-1.0, -1.0, -1.0, -1.0, -1.0]
    """
    f, g = torch.fft.rfftn(first, dim=(-3, -2, -1)), torch.fft.rfftn(second, dim=(-3, -2, -1))
    cross = shell_sum(f.real * g.real + f.imag * g.imag)
    norm = (shell_sum(f.abs() ** 2) * shell_sum(g.abs() ** 2)).sqrt()
    return torch.where(norm > 0, cross / norm.clamp_min(torch.finfo(norm.dtype).tiny), 0.0)


def shell_sum(values: Float[Tensor, "*v d d h"]) -> Float[Tensor, "*v s"]:
    """Sum over shells of a half-space array as ``rfftn`` lays it out, each mate counted."""
    box = values.shape[-2]
    axis = torch.fft.fftfreq(box, 1 / box, device=values.device)
    last = torch.arange(box // 2 + 1, device=values.device, dtype=axis.dtype)
    radius = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + last**2).sqrt()
    shell = radius.round().long().flatten()
    paired = torch.where((last == 0) | (2 * last == box), 1.0, 2.0).expand(box, box, -1).flatten()
    shells = int(shell.max()) + 1
    total = torch.zeros(*values.shape[:-3], shells, dtype=torch.float64, device=values.device)
    total.index_add_(-1, shell, (values.flatten(-3) * paired).double())
    return total[..., : box // 2 + 1].to(values.dtype)


def resolution_at(curve: Float[Tensor, " s"], threshold: float, *, box: int, pixel_size: float) -> float:
    """Resolution in Å where the curve first falls below ``threshold``, linear between shells.

    Infinite if it starts below; the Nyquist limit if it never does.
    """
    below = torch.nonzero(curve[1:] < threshold).flatten()
    if len(below) == 0:
        return 2 * pixel_size
    shell = int(below[0]) + 1
    if shell == 1:
        return float("inf")
    high, low = float(curve[shell - 1]), float(curve[shell])
    return box * pixel_size / (shell - 1 + (high - threshold) / (high - low))
