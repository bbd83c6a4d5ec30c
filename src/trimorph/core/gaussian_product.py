"""ProductRoute: slices of Gaussians as matrix products of cosines and sines, their transform being separable.

Letters: b images, v 1 or b, g Gaussians, n pixels of the disk, k frequencies of an axis, 0 to the reach, and
f = 2 k, the cosines and the sines of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from trimorph.core.gaussian_cloud import FAINTEST, PlaneCloud

CPU_BLOCK, CUDA_BLOCK = 2**18, 2**26
"""Numbers in one array of cosines and sines: what a core's cache holds, and what keeps a card busy."""


@dataclass(frozen=True)
class ProductRoute:
    """Slices up to frequency ``reach`` on each axis, exact to rounding.

    exp(-2 pi^2 w (kx^2 + ky^2) - 2 pi i (kx x + ky y)) is a factor in kx times a factor in ky, and negative
    ky have the cosines and sines of positive ky: one real product (f x g)(g x f) an image. Factors are
    made for a block of Gaussians at a time, and again for the gradient, so that they take the same memory
    for any number of Gaussians.
    """

    reach: int

    def slices(self, cloud: PlaneCloud, index: Int[Tensor, "n 2"]) -> Complex[Tensor, "b n"]:
        """Sums over the Gaussians at the frequencies ``index`` (kx, ky)."""
        square = self._empty(cloud.plane)
        for images, some in self._blocks(cloud.plane):
            block = cloud.part(images, some)
            x, y = self._waves(block)
            square[images].baddbmm_(y, x.mul_(block.amplitude[:, None]).mT)
        return self._on_disk(square, index)

    def gradients(
        self, cloud: PlaneCloud, index: Int[Tensor, "n 2"], residual: Complex[Tensor, "b n"]
    ) -> PlaneCloud:
        """Derivatives of a real loss by the cloud's numbers, given those by the slices."""
        square = self._off_disk(residual, index)
        out = cloud.zeros_like()
        k = self._frequencies(cloud.plane)
        even = torch.stack([torch.ones_like(k), -2 * pi**2 * k**2])
        for images, some in self._blocks(cloud.plane):
            block = cloud.part(images, some)
            x, y = self._waves(block)
            total, fade_x, turn_x = _contract(x, square[images].mT @ y, even, k)
            _, fade_y, turn_y = _contract(y, square[images] @ x, even, k)
            turn = torch.stack([turn_x, turn_y], dim=-1) * block.amplitude[..., None]
            out.add_part(images, some, PlaneCloud(turn, total, (fade_x + fade_y) * block.amplitude))
        return out

    def tangent(
        self, cloud: PlaneCloud, index: Int[Tensor, "n 2"], change: PlaneCloud
    ) -> Complex[Tensor, "b n"]:
        """Change of the slices with a small change of the cloud."""
        square = self._empty(cloud.plane)
        for images, some in self._blocks(cloud.plane):
            block, moved = cloud.part(images, some), change.part(images, some)
            waves = self._waves(block)
            fade = -2 * pi**2 * self._frequencies(cloud.plane)[:, None] ** 2 * moved.variance[:, None]
            turn = 2 * pi * self._frequencies(cloud.plane)[:, None] * moved.plane.movedim(-1, 0)[:, :, None]
            (x, y), (x_moved, y_moved) = (
                waves,
                (_turned(*pair, fade) for pair in zip(waves, turn, strict=True)),
            )
            height = block.amplitude[:, None]
            square[images].baddbmm_(y, (x_moved * height + x * moved.amplitude[:, None]).mT)
            square[images].baddbmm_(y_moved, (x * height).mT)
        return self._on_disk(square, index)

    def _blocks(self, plane: Float[Tensor, "b g 2"]) -> Iterator[tuple[slice, slice]]:
        images, count = plane.shape[:2]
        room = (CPU_BLOCK if plane.device.type == "cpu" else CUDA_BLOCK) // (2 * self.reach + 2)
        some = min(max(room, 128), count)
        together = max(room // max(some, 1), 1)
        for i in range(0, images, together):
            for j in range(0, count, max(some, 1)):
                yield slice(i, min(i + together, images)), slice(j, min(j + some, count))

    def _frequencies(self, like: Tensor) -> Float[Tensor, " k"]:
        return torch.arange(self.reach + 1, device=like.device, dtype=like.dtype)

    def _empty(self, plane: Float[Tensor, "b g 2"]) -> Float[Tensor, "b f f"]:
        return plane.new_zeros(len(plane), 2 * self.reach + 2, 2 * self.reach + 2)

    def _waves(self, block: PlaneCloud) -> tuple[Float[Tensor, "b f g"], Float[Tensor, "b f g"]]:
        """Cosines over sines of 2 pi k x, and of 2 pi k y, both times exp(-2 pi^2 w k^2)."""
        k = self._frequencies(block.plane)[:, None]
        envelope = (-2 * pi**2 * k**2 * block.variance[:, None]).clamp_(min=FAINTEST).exp_()[:, None]
        x, y = block.plane.unbind(-1)
        return _wave(x, envelope), _wave(y, envelope)

    def _on_disk(self, square: Float[Tensor, "b f f"], index: Int[Tensor, "n 2"]) -> Complex[Tensor, "b n"]:
        k = self.reach + 1
        cos_cos, cos_sin = square[:, :k, :k], square[:, :k, k:]
        sin_cos, sin_sin = square[:, k:, :k], square[:, k:, k:]
        above = torch.complex(cos_cos - sin_sin, -(cos_sin + sin_cos))
        below = torch.complex(cos_cos + sin_sin, sin_cos - cos_sin)
        return torch.cat([above.flatten(1), below.flatten(1)], dim=1).index_select(1, self._place(index))

    def _off_disk(
        self, residual: Complex[Tensor, "b n"], index: Int[Tensor, "n 2"]
    ) -> Float[Tensor, "b f f"]:
        """The adjoint of ``_on_disk``."""
        k = self.reach + 1
        both = residual.new_zeros(len(residual), 2 * k * k)
        both.index_copy_(1, self._place(index), residual)
        above, below = both.view(-1, 2, k, k).unbind(1)
        square = torch.empty(len(both), 2 * k, 2 * k, device=both.device, dtype=both.real.dtype)
        square[:, :k, :k] = above.real + below.real
        square[:, k:, k:] = below.real - above.real
        square[:, :k, k:] = -(above.imag + below.imag)
        square[:, k:, :k] = below.imag - above.imag
        return square

    def _place(self, index: Int[Tensor, "n 2"]) -> Int[Tensor, " n"]:
        k = self.reach + 1
        return ((index[:, 1] < 0) * k + index[:, 1].abs()) * k + index[:, 0]


def _wave(turns: Float[Tensor, "b g"], envelope: Float[Tensor, "v 1 k g"]) -> Float[Tensor, "b f g"]:
    """Cosines over sines of 2 pi k x, times the envelope."""
    wave = turns.new_empty(len(turns), 2, *envelope.shape[2:])
    cosine, sine = wave.unbind(1)
    k = torch.arange(cosine.shape[1], device=turns.device, dtype=turns.dtype)[:, None]
    torch.mul((turns - turns.round())[:, None], 2 * pi * k, out=sine)
    torch.cos(sine, out=cosine)
    sine.sin_()
    return wave.mul_(envelope).flatten(1, 2)


def _turned(
    wave: Float[Tensor, "b f g"], turn: Float[Tensor, "b k g"], fade: Float[Tensor, "v k g"]
) -> Float[Tensor, "b f g"]:
    """Change of a factor whose phases grow by ``turn`` and whose logarithm by ``fade``."""
    cosine, sine = wave.chunk(2, dim=1)
    return torch.cat([cosine * fade - sine * turn, sine * fade + cosine * turn], dim=1)


def _contract(
    wave: Float[Tensor, "b f g"],
    gradient: Float[Tensor, "b f g"],
    even: Float[Tensor, "2 k"],
    k: Float[Tensor, " k"],
) -> tuple[Float[Tensor, "b g"], Float[Tensor, "b g"], Float[Tensor, "b g"]]:
    """Sums over an axis: of factor times gradient, of the same by variance, and by turns."""
    cosine, sine = wave.chunk(2, dim=1)
    by_cosine, by_sine = gradient.chunk(2, dim=1)
    total, fade = (even @ (cosine * by_cosine).addcmul_(sine, by_sine)).unbind(1)
    turn = 2 * pi * k @ (cosine * by_sine).addcmul_(sine, by_cosine, value=-1)
    return total, fade, turn
