"""SplatRoute: slices of Gaussians by adding each to the points of a grid near it, and one FFT.

Letters: b images, v 1 or b, g Gaussians, n pixels of the disk, p points of an axis under one Gaussian, m
points of the grid's side, s those of its continuation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log, pi, sqrt

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from trimorph.core.gaussian_cloud import FAINTEST, PlaneCloud
from trimorph.core.gaussian_taps import LANES, collect, spread

CPU_BLOCK, CUDA_BLOCK = 2**18, 2**26
"""Numbers in one array of weights that are worked on at a time."""

GROWTH = 30
"""How much the transform of a grid may be multiplied by, as the rounding of its values is multiplied too."""


@dataclass(frozen=True)
class SplatRoute:
    """Slices through a periodic grid of ``size`` points a side, ``points`` x ``points`` under a Gaussian.

    A Gaussian is drawn with its own variance + ``widening`` (turns^2), and the transform is multiplied by
    exp(2 pi^2 widening k^2): sharp Gaussians are drawn wide enough for the grid (widening > 0), broad ones
    narrower (< 0) so that they cover fewer points. :meth:`fitting` finds numbers that are accurate.
    Source: Greengard & Lee, SIAM Rev. 46 (2004) 443, whose kernel is common to all points.
    """

    size: int
    points: int
    widening: float

    @classmethod
    def fitting(
        cls, size: int, *, radius: float, least: float, most: float, tolerance: float
    ) -> SplatRoute | None:
        """The fewest points for variances from ``least`` to ``most`` and frequencies up to ``radius``.

        ``tolerance`` is the error a Gaussian relative to its amplitude. None where the grid is too small.
        """
        drawn = _least_drawn_variance(size, radius, least, log(1 / tolerance) / (2 * pi**2))
        if drawn is None:
            return None
        widening = drawn - least
        growth = 2 * pi**2 * max(widening, 0) * radius**2
        reach = sqrt(2 * (growth - log(tolerance))) * sqrt(most + widening) * size
        points = LANES * ceil(2 * reach / LANES)
        return cls(size, points, widening) if points <= size and growth < log(GROWTH) else None

    def slices(self, cloud: PlaneCloud, index: Int[Tensor, "n 2"]) -> Complex[Tensor, "b n"]:
        """Sums over the Gaussians at the frequencies ``index`` (kx, ky)."""
        out = []
        for images in self._blocks(cloud.plane):
            block = cloud.part(images, slice(None))
            drawn = _Drawn.on(self, block)
            grid = spread(drawn.first, drawn.y * block.amplitude[..., None], drawn.x, self._side)
            out.append(torch.fft.rfft2(self._fold(grid)).flatten(1)[:, self._place(index)])
        return torch.cat(out) * self._sharpening(index, cloud.plane)

    def gradients(
        self, cloud: PlaneCloud, index: Int[Tensor, "n 2"], residual: Complex[Tensor, "b n"]
    ) -> PlaneCloud:
        """Derivatives of a real loss by the cloud's numbers, given those by the slices."""
        out = cloud.zeros_like()
        # irfft2 counts a value at k and at -k, but on the line kx = 0 once
        share = torch.where(index[:, 0] == 0, 1.0, 0.5).to(cloud.plane)
        factor, place = self._sharpening(index, cloud.plane) * share, self._place(index)
        for images in self._blocks(cloud.plane):
            block = cloud.part(images, slice(None))
            drawn = _Drawn.on(self, block)
            half = residual.new_zeros(len(block.plane), self.size * (self.size // 2 + 1))
            half[:, place] = residual[images] * factor
            half = half.view(-1, self.size, self.size // 2 + 1)
            grid = torch.fft.irfft2(half, s=(self.size, self.size), norm="forward")
            grid = torch.nn.functional.pad(grid[:, None], (0, self.points) * 2, mode="circular")[:, 0]
            along_y, along_x = collect(grid, drawn.first, drawn.y, drawn.x)
            out.add_part(images, slice(None), drawn.gradients(along_y, along_x, block.amplitude, self))
        return out

    def tangent(
        self, cloud: PlaneCloud, index: Int[Tensor, "n 2"], change: PlaneCloud
    ) -> Complex[Tensor, "b n"]:
        """Change of the slices with a small change of the cloud."""
        out = []
        for images in self._blocks(cloud.plane):
            block, moved = cloud.part(images, slice(None)), change.part(images, slice(None))
            drawn = _Drawn.on(self, block)
            x_moved, y_moved = drawn.moved(moved, self)
            height = block.amplitude[..., None]
            grid = spread(drawn.first, drawn.y * height, x_moved, self._side)
            y_moved = y_moved * height + drawn.y * moved.amplitude[..., None]
            grid += spread(drawn.first, y_moved, drawn.x, self._side)
            out.append(torch.fft.rfft2(self._fold(grid)).flatten(1)[:, self._place(index)])
        return torch.cat(out) * self._sharpening(index, cloud.plane)

    @property
    def _side(self) -> int:
        """Side of a grid that is continued so far that no Gaussian leaves it."""
        return self.size + self.points

    def _fold(self, grid: Float[Tensor, "b s s"]) -> Float[Tensor, "b m m"]:
        grid[:, : self.points] += grid[:, self.size :]
        grid[:, :, : self.points] += grid[:, :, self.size :]
        return grid[:, : self.size, : self.size]

    def _blocks(self, plane: Float[Tensor, "b g 2"]) -> Iterator[slice]:
        room = CPU_BLOCK if plane.device.type == "cpu" else CUDA_BLOCK
        together = max(room // max(plane.shape[1] * self.points, self._side**2), 1)
        for i in range(0, len(plane), together):
            yield slice(i, min(i + together, len(plane)))

    def _place(self, index: Int[Tensor, "n 2"]) -> Int[Tensor, " n"]:
        """Places of frequencies in the flattened output of ``rfft2``."""
        return index[:, 1] % self.size * (self.size // 2 + 1) + index[:, 0]

    def _sharpening(self, index: Int[Tensor, "n 2"], like: Tensor) -> Float[Tensor, " n"]:
        return torch.exp(2 * pi**2 * self.widening * (index**2).sum(-1).to(like))


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Gaussians on a grid, in units of its spacing.

    ``first`` is the place of the first point, ``offset`` the vector (x, y) from a Gaussian's centre to the
    middle of its points; ``x`` and ``y`` hold exp(-d^2 / 2 variance) on them, ``y`` times the norm
    1 / (2 pi variance).
    """

    first: Int[Tensor, "b g"]
    offset: Float[Tensor, "b g 2"]
    variance: Float[Tensor, "v g"]
    x: Float[Tensor, "b g p"]
    y: Float[Tensor, "b g p"]

    @classmethod
    def on(cls, route: SplatRoute, cloud: PlaneCloud) -> _Drawn:
        variance = (cloud.variance + route.widening) * route.size**2
        point = (cloud.plane - cloud.plane.floor()) * route.size
        corner = torch.ceil(point.nan_to_num() - route.points / 2)
        offset = corner + (route.points - 1) / 2 - point
        exponent = -0.5 / variance
        steps = _steps(route.points, point)
        x, y = (
            (steps + offset[..., i, None]).square_().mul_(exponent[..., None]).clamp_(min=FAINTEST).exp_()
            for i in range(2)
        )
        column, line = (corner.long() % route.size).unbind(-1)
        first = line * (route.size + route.points) + column
        return cls(first, offset, variance, x, y.mul_((-exponent / pi)[..., None]))

    def gradients(
        self,
        along_y: Float[Tensor, "b g p"],
        along_x: Float[Tensor, "b g p"],
        amplitude: Float[Tensor, "v g"],
        route: SplatRoute,
    ) -> PlaneCloud:
        """Derivatives of a loss, from the residual's windows as ``collect`` gives them."""
        step = _steps(route.points, along_x)
        powers = torch.stack([torch.ones_like(step), step, step**2], dim=1)
        total, first_x, second_x = (along_x.mul_(self.x) @ powers).unbind(-1)
        _, first_y, second_y = (along_y.mul_(self.y) @ powers).unbind(-1)
        x, y = self.offset.unbind(-1)
        square = x * (x * total + 2 * first_x) + y * (y * total + 2 * first_y) + second_x + second_y
        scale = amplitude * route.size / self.variance
        by_plane = torch.stack([x * total + first_x, y * total + first_y], dim=-1) * scale[..., None]
        by_variance = (0.5 * square / self.variance - total) * scale * route.size
        return PlaneCloud(by_plane, total, by_variance)

    def moved(
        self, change: PlaneCloud, route: SplatRoute
    ) -> tuple[Float[Tensor, "b g p"], Float[Tensor, "b g p"]]:
        """Changes of ``x`` and ``y`` with a small change of the cloud."""
        step, variance = _steps(route.points, self.x), self.variance[..., None]
        wider = 0.5 * route.size**2 * change.variance[..., None] / variance
        out = []
        for i, weight in enumerate((self.x, self.y)):
            distance = step + self.offset[..., i, None]
            moved = distance * (route.size * change.plane[..., i, None])
            out.append(weight * ((moved + distance**2 * wider) / variance - wider))
        return out[0], out[1]


def _steps(points: int, like: Tensor) -> Float[Tensor, " p"]:
    return torch.arange(points, device=like.device, dtype=like.dtype) - (points - 1) / 2


def _least_drawn_variance(size: int, radius: float, least: float, wanted: float) -> float | None:
    """Smallest variance v of the narrowest Gaussian as drawn, so that no alias exceeds the tolerance.

    The alias of a Gaussian of variance w from frequency k - size, after the multiplication, is
    exp(-2 pi^2 (v (size - k)^2 - (v - w) k^2)): what is in the outer brackets is to be ``wanted`` at least.
    """
    if size <= 2 * radius:
        return None
    within = least * radius / size
    at_radius = (wanted - least * radius**2) / (size * (size - 2 * radius))
    if at_radius >= within:
        return at_radius
    return least / 2 * (1 - sqrt(max(1 - 4 * wanted / (least * size**2), 0.0)))
