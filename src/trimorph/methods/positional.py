"""Positional encodings: fixed sines and cosines of a frequency, the first layer of a Fourier network."""

from __future__ import annotations

from math import pi
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.errors import InputError

Encoding = Literal["gaussian", "geometric", "geometric-low", "geometric-no-high", "none"]


class PositionalEncoding(nn.Module):
    """sin and cos of the products of q with fixed vectors; q = k x pixel size is in cycles a pixel.

    ``vectors`` (f, 3) hold phases in radians for q = 1, so |vector| / 2 pi is the distance from the
    particle's centre, in pixels, that a feature resolves. With box D, i = 0 .. D/2 - 1 on each axis:

    - ``gaussian``: 3 D/2 random vectors with components N(0, (sigma D/2)^2);
    - ``geometric``: axis by axis, pi D (2/D)^(i / (D/2 - 1)), the paper's wavelengths from 1 to Nyquist;
    - ``geometric-low``: the same with all wavelengths 2 pi times longer, D/2 (2/D)^(i / (D/2 - 1));
    - ``geometric-no-high``: D/2 (4 pi/D)^(i / (D/2 - 1)), the low half of the paper's range;
    - ``none``: q itself.

    Source: Zhong et al., Nature Methods 18 (2021) 176, Methods; the Gaussian vectors: Tancik et al., NeurIPS
    2020, section 6.
    """

    def __init__(self, encoding: Encoding, *, box: int, sigma: float, seed: int) -> None:
        super().__init__()
        self.register_buffer("vectors", encoding_vectors(encoding, box=box, sigma=sigma, seed=seed))
        self.vectors: Tensor

    @property
    def features(self) -> int:
        """Length of an encoded frequency."""
        return 2 * len(self.vectors) if len(self.vectors) else 3

    def forward(self, q: Float[Tensor, "*p 3"]) -> Float[Tensor, "*p f"]:
        """Encode frequencies in cycles a pixel."""
        if not len(self.vectors):
            return q
        with torch.autocast(q.device.type, enabled=False):  # bfloat16 would err by a tenth of a radian
            phase = q @ self.vectors.T
        return torch.cat([torch.sin(phase), torch.cos(phase)], dim=-1)


def encoding_vectors(encoding: Encoding, *, box: int, sigma: float, seed: int) -> Float[Tensor, "f 3"]:
    """The fixed vectors of an encoding; none for ``none``.

    >>> encoding_vectors("geometric-low", box=64, sigma=0.5, seed=0)[[0, 31]].round().tolist()
    [[32.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    count = box // 2
    if encoding == "none":
        return torch.zeros(0, 3)
    if encoding == "gaussian":
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(3 * count, 3, generator=generator) * (sigma * box / 2)
    ranges = {
        "geometric": (pi * box, 2 * pi),
        "geometric-low": (box / 2, 1.0),
        "geometric-no-high": (box / 2, 2 * pi),
    }
    if encoding not in ranges:
        raise InputError(
            f'Positional encoding: found "{encoding}"; wanted one of {", ".join(get_args(Encoding))}.'
        )
    high, low = ranges[encoding]
    length = high * (low / high) ** (torch.arange(count) / max(count - 1, 1))
    return torch.cat([length[:, None] * axis for axis in torch.eye(3)])
