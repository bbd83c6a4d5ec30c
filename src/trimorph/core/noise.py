"""NoiseModel: radial noise power, measured outside the particle."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Noise power per noise group and ring (see conventions): row g, column s = rounded radius."""

    power: Float[Tensor, "g s"]

    def __post_init__(self) -> None:
        if not bool((self.power > 0).all() and self.power.isfinite().all()):
            raise InputError(
                "NoiseModel: found a noise power that is zero, negative or not finite; wanted positive "
                "values on every ring. Are the images padded or masked to zero outside the particle?"
            )

    def to(self, device: torch.device | str) -> NoiseModel:
        """Return the same model on another device."""
        return NoiseModel(self.power.to(device))

    def at(self, disk: FourierDisk, group: Int[Tensor, " b"]) -> Float[Tensor, "b n"]:
        """Noise power of each image at each pixel of a disk."""
        return self.power[group][:, disk.shell.clamp(max=self.power.shape[1] - 1)]


def background_power(
    image: Float[Tensor, "b h w"], *, radius: float, disk: FourierDisk, edge: float = 0.1
) -> Float[Tensor, "b s"]:
    """Radial power of what lies outside ``radius`` (in pixels), scaled to the whole box.

    The outside is cut out with a cosine edge of ``edge`` times the radius and centred to mean zero; the
    power is divided by what white noise of variance 1 would give, so that white noise of standard deviation s
    gives box^2 s^2 on every ring. Ring 0 takes the value of ring 1.
    """
    box = image.shape[-1]
    axis = torch.arange(box, device=image.device, dtype=image.dtype) - box // 2
    distance = torch.hypot(axis[:, None], axis[None, :])
    width = max(edge * radius, 1.0)
    window = 0.5 - 0.5 * torch.cos(torch.pi * ((distance - radius) / width).clamp(0, 1))
    if float((window**2).sum()) < 16:
        raise InputError(
            f"Noise: found fewer than 16 pixels outside the particle radius of {radius:.1f} pixels in a box "
            f"of {box}. Pass a smaller particle diameter."
        )
    mean = (image * window).sum(dim=(-2, -1), keepdim=True) / window.sum()
    cut = (image - mean) * window
    power = disk.ring_mean(disk.transform(cut).abs() ** 2) * (box**2 / _white(window, disk))
    return torch.cat([power[:, 1:2], power[:, 1:]], dim=1)


def _white(window: Float[Tensor, "h w"], disk: FourierDisk) -> Float[Tensor, " s"]:
    """Power on each ring of white noise of variance 1, cut out by a window and centred to mean zero.

    With W and U the transforms of w and w^2: sum w^2 + |W|^2 sum w^2 / (sum w)^2 - 2 Re(W* U) / sum w.
    """
    first, second = disk.transform(window), disk.transform(window**2)
    total, square = window.sum(), (window**2).sum()
    power = square * (1 + (first / total).abs() ** 2) - 2 * (first.conj() * second).real / total
    return disk.ring_mean(power).clamp_min(0.1 * square)
