"""Which way slices of Gaussians are fastest, and which Gaussians go together.

A slice's time is a sum of a few parts, each with a constant that was measured; :func:`fastest` adds them up
for both routes, for several grids, and for cuts of the Gaussians into classes of width, since broad Gaussians
end at low frequencies, and a few sharp ones would ask for a fine grid for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise
from math import ceil, floor, inf, log, log2, pi, sqrt
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from scipy.fft import next_fast_len
from torch import Tensor

from trimorph.core.compiled import has_compiler
from trimorph.core.disk import FourierDisk
from trimorph.core.gaussian_product import ProductRoute
from trimorph.core.gaussian_splat import SplatRoute

ERROR = {torch.float32: 1.5e-5, torch.float64: 1e-12}
"""Error of a slice that is sought, relative to the standard deviation of the slice of its widest Gaussian."""

CLASSES = 6
"""Classes of width that may go apart, each sqrt(2) times as wide as the one before."""

STEPS = 64
"""Bounds of widths are taken to the next 64th of an octave, and counts to an eighth, to find routes again."""

BROADEST = 1e6
"""Widths in turns are as good as this one beyond it."""

WORTH_CUTTING = 3e6
"""Nanoseconds of a call from which it pays to look for a cut into classes."""


@dataclass(frozen=True)
class Costs:
    """Nanoseconds, forward and backward, of the parts of a slice."""

    multiply: float
    """A Gaussian and a pair of frequencies (kx, ky >= 0) in the matrix products."""
    wave: float
    """A Gaussian and a frequency of one axis: cosine, sine, exponential, and the sums of the gradient."""
    product_call: float
    """A batch, however small."""
    tap: float
    """A Gaussian and a point of the grid under it, the weights among it."""
    grid: float
    """A point of the grid in the FFTs."""
    splat_call: float
    """A batch, however small."""

    def of(self, route: ProductRoute | SplatRoute, count: int, images: int) -> float:
        """Cost of an image of ``count`` Gaussians in a batch of ``images``."""
        if isinstance(route, ProductRoute):
            k = route.reach + 1
            return count * k * (self.multiply * k + self.wave) + self.product_call / images
        p, side = route.points, route.size + route.points
        return count * p**2 * self.tap + self.grid * side**2 + self.splat_call / images


COSTS = {
    "cpu_compiled": Costs(
        multiply=0.233, wave=31.3, product_call=1.9e6, tap=3.25, grid=19.1, splat_call=2.1e6
    ),
    "cpu": Costs(multiply=0.233, wave=31.3, product_call=1.9e6, tap=8.12, grid=22.8, splat_call=2.9e6),
    "cuda": Costs(multiply=6e-4, wave=0.05, product_call=1e6, tap=0.05, grid=0.02, splat_call=3e6),
}
"""CPUs, with numba and without: least squares of times on one thread of an Intel Xeon at 2.5 GHz (AVX-512,
torch 2.13) whose cores were shared, so that it is the ratios that count (benchmarks/projector.py --costs).
CUDA: not measured, but from 40 TFLOP/s in single precision, 2 TB/s and 10 microseconds an operation."""


class Share(NamedTuple):
    """Gaussians that go one route: their numbers (None: all), and how much of the disk they reach."""

    some: Int[Tensor, " s"] | None
    pixels: int
    route: ProductRoute | SplatRoute


def fastest(width: Float[Tensor, "v g"], disk: FourierDisk, *, images: int) -> list[Share]:
    """The fastest way found to slice Gaussians of these widths, in turns, for some images at once.

    >>> fastest(torch.full((1, 50), 0.02), FourierDisk(32, 1.0), images=8)[0].route
    ProductRoute(reach=15)
    """
    if width.shape[1] == 0 or images == 0:
        return []
    width = width.detach().abs().nan_to_num().clamp(max=BROADEST)
    least, most = width.amin(0), width.amax(0)
    case = _Case(disk, images, width.device.type, ERROR[width.dtype])
    lower, upper = torch.stack([least.min(), most.max()]).tolist()
    cost, whole = case.share(width.shape[1], lower, upper)
    if cost * images < WORTH_CUTTING or upper < sqrt(2) * lower:
        return [whole]
    level = _classes(least, max(lower, case.sharpest))
    numbers = torch.zeros(3, CLASSES, device=width.device, dtype=width.dtype)
    numbers[0] = torch.bincount(level, minlength=CLASSES)
    numbers[1].fill_(inf).scatter_reduce_(0, level, least, "amin")
    numbers[2].scatter_reduce_(0, level, most, "amax")
    cuts = _cheapest_cuts(case, numbers.tolist())
    if cuts == [0, CLASSES]:
        return [whole]
    shares = []
    for start, stop in pairwise(cuts):
        some = ((level >= start) & (level < stop)).nonzero().flatten()
        _, share = case.share(
            len(some), float(numbers[1, start:stop].min()), float(numbers[2, start:stop].max())
        )
        shares.append(Share(some, share.pixels, share.route))
    return shares


@dataclass(frozen=True)
class _Case:
    """What the cost of a share depends on beside the Gaussians in it."""

    disk: FourierDisk
    images: int
    device: str
    error: float

    @property
    def radius(self) -> float:
        """End of the disk in Fourier pixels."""
        return self.disk.box * self.disk.pixel_size / self.disk.resolution

    @property
    def sharpest(self) -> float:
        """A width, in turns, that is as good as none: an eighth of half a period at the end of the disk."""
        return 1 / (16 * self.radius)

    def share(self, count: int, lower: float, upper: float) -> tuple[float, Share]:
        """Nanoseconds an image of ``count`` Gaussians as one share, widths from ``lower`` to ``upper``."""
        lower = 2 ** (floor(STEPS * log2(lower)) / STEPS) if lower > self.sharpest else 0.0
        upper = 2 ** (ceil(STEPS * log2(upper)) / STEPS) if upper > self.sharpest else self.sharpest
        tolerance = tolerance_for(self.error, upper, radius=self.radius)
        fades = sqrt(-log(tolerance) / 2) / (pi * lower) if lower else inf
        radius = max(min(self.radius, fades), 1.0)
        kind = "cpu_compiled" if self.device == "cpu" and has_compiler() else self.device
        cost, route = cheapest_route(
            round(2 ** (round(8 * log2(count)) / 8)),
            lower,
            upper,
            radius=radius,
            images=self.images,
            costs=COSTS.get(kind, COSTS["cpu"]),
            error=self.error,
        )
        return cost, Share(None, len(self.disk.limit(radius=radius)), route)


def _classes(width: Float[Tensor, " g"], narrowest: float) -> Int[Tensor, " g"]:
    """Number of each Gaussian's class of width."""
    return (2 * torch.log2(width / narrowest)).clamp(0, CLASSES - 1).long()


def _cheapest_cuts(case: _Case, numbers: list[list[float]]) -> list[int]:
    """Limits of the classes that go together, given their counts, smallest and largest widths."""
    counts, lowest, highest = numbers

    def cost(start: int, stop: int) -> float:
        count = int(sum(counts[start:stop]))
        return case.share(count, min(lowest[start:stop]), max(highest[start:stop]))[0] if count else 0.0

    costs = {(i, j): cost(i, j) for i, j in combinations(range(CLASSES + 1), 2)}
    inner = [i for i in range(1, CLASSES) if counts[i]]
    cuts = [[0, *some, CLASSES] for size in range(len(inner) + 1) for some in combinations(inner, size)]
    return min(cuts, key=lambda cut: sum(costs[pair] for pair in pairwise(cut)))


@lru_cache(maxsize=1024)
def cheapest_route(
    count: int, lower: float, upper: float, *, radius: float, images: int, costs: Costs, error: float
) -> tuple[float, ProductRoute | SplatRoute]:
    """Cost and route, up to ``radius`` in Fourier pixels, for widths from ``lower`` to ``upper`` in turns."""
    routes: list[ProductRoute | SplatRoute] = [ProductRoute(int(radius + 1e-6))]
    routes += fitting_splats(lower, upper, radius=radius, error=error)
    cost, _, route = min((costs.of(route, count, images), i, route) for i, route in enumerate(routes))
    return cost, route


def fitting_splats(lower: float, upper: float, *, radius: float, error: float) -> list[SplatRoute]:
    """Splats on grids of from little more than 2 points to 8 points a period at ``radius``."""
    sizes = {2 * next_fast_len(ceil(radius * (1.05 + i / 20)), real=True) for i in range(60)}
    tolerance = tolerance_for(error, upper, radius=radius)
    found = (
        SplatRoute.fitting(size, radius=radius, least=lower**2, most=upper**2, tolerance=tolerance)
        for size in sorted(sizes)
    )
    return [splat for splat in found if splat is not None]


def tolerance_for(error: float, width: float, *, radius: float) -> float:
    """Error relative to a Gaussian's amplitude, from that relative to its slice's standard deviation.

    A slice exp(-2 pi^2 width^2 k^2) on a disk has a standard deviation of about 1 / (2 pi width radius).
    """
    return error / max(1.0, 2 * pi * width * radius)
