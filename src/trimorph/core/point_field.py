"""PointField: how well points that are blurred to a resolution agree with a map."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, pi, sqrt

import torch
from jaxtyping import Float
from scipy.fft import next_fast_len
from torch import Tensor

from trimorph.core.voxel_grid import resample, values_at

MOLMAP_WIDTH = 1 / (pi * sqrt(2))
"""Standard deviation of a Gaussian over the resolution it stands for: it falls to 1/e at 1/resolution."""

FINEST = 1.5
"""Frequency, times the resolution, to which the map is looked at."""


@dataclass(frozen=True, eq=False)
class PointField:
    """A map seen at a resolution in Å, on a grid of its own about the same origin.

    With points of weights w_i and blur g of the resolution, m(x) = sum_i w_i g(x - x_i), the correlation is
    that over all of the map's box: int m (M - mean M) / sqrt((int m^2 - (sum w)^2 / V) int (M - mean M)^2),
    M being the map without what is finer than resolution / FINEST. Points are spread over the eight voxels
    around them, which the transform makes good by a sinc^2 an axis; so ``landscape``, read between voxels at
    the points, gives the same first integral. Beyond the box M - mean M is zero: points there cost.

    ``spectrum`` is that of M - mean M, ``fall`` the transform of g over that of the spreading, ``square`` the
    last integral, and ``volume`` V in Å^3.
    """

    spectrum: Tensor
    fall: Float[Tensor, "d d h"]
    landscape: Float[Tensor, "d d d"]
    pixel_size: float
    resolution: float
    square: float
    volume: float

    @classmethod
    def of(
        cls,
        density: Float[Tensor, "d d d"],
        pixel_size: float,
        *,
        resolution: float,
        margin: float,
        sampling: float = 6.0,
        volume: float | None = None,
    ) -> PointField:
        """A map whose mean is zero at a resolution; the grid goes on for ``margin`` Å around it.

        The grid has ``sampling`` voxels a resolution. ``volume`` is the box's, where the map was padded.
        """
        side = len(density) * pixel_size
        voxel = resolution / sampling
        coarse = 2 * ceil(FINEST * side / resolution)
        limited = resample(density, pixel_size, box=coarse, pixel_size=side / coarse)
        box = next_fast_len(ceil((side + 2 * margin) / voxel), real=True)
        fine = resample(limited, side / coarse, box=box, pixel_size=voxel)
        spectrum = torch.fft.rfftn(fine)
        turns = torch.fft.fftfreq(box).to(density)
        axis = torch.exp(-2 * (pi * MOLMAP_WIDTH * sampling * turns) ** 2) / torch.sinc(turns) ** 2
        half = axis[: box // 2 + 1]
        fall = axis[:, None, None] * axis[:, None] * half
        return cls(
            spectrum=spectrum,
            fall=fall,
            landscape=torch.fft.irfftn(spectrum * fall, s=fine.shape),
            pixel_size=voxel,
            resolution=resolution,
            square=float(fine.double().square().sum()) * voxel**3,
            volume=side**3 if volume is None else volume,
        )

    def cross(self, position: Float[Tensor, "n 3"], weight: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        """Integral of m (M - mean M) for points (x, y, z) in Å from the origin: a sum over the points."""
        return (weight * values_at(self.landscape, position, pixel_size=self.pixel_size)).sum()

    def power(self, position: Float[Tensor, "n 3"], weight: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        """Integral of m^2, less (sum w)^2 / V, which no turn or shift changes."""
        spectrum = torch.fft.rfftn(self.spread(position, weight)) * self.fall
        square = spectrum.real**2 + spectrum.imag**2
        last = 0 if len(self.landscape) % 2 else 1
        total = 2 * square.sum() - square[..., 0].sum() - last * square[..., -1].sum()
        return total / (len(self.landscape) * self.pixel_size) ** 3 - weight.sum() ** 2 / self.volume

    def correlation(self, position: Float[Tensor, "n 3"], weight: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        """Correlation of points with the map."""
        return self.cross(position, weight) / (self.power(position, weight) * self.square).sqrt()

    def spread(self, position: Float[Tensor, "n 3"], weight: Float[Tensor, " n"]) -> Float[Tensor, "d d d"]:
        """Weights shared among the eight voxels around each point, on a grid whose origin is its voxel 0."""
        box = len(self.landscape)
        return spread_points(position[None] / self.pixel_size, weight, box)[0]


def spread_points(
    place: Float[Tensor, "b n 3"], weight: Float[Tensor, " n"], box: int
) -> Float[Tensor, "b box box box"]:
    """Weights shared trilinearly among voxels [z, y, x] at places (x, y, z) in voxels, round a periodic grid.

    >>> spread_points(torch.tensor([[[0.0, 1.25, 0.0]]]), torch.ones(1), 4)[0, 0, :, 0].tolist()
    [0.0, 0.75, 0.25, 0.0]
    """
    low = place.detach().floor()
    share = place - low
    index = low.long() % box
    first = torch.arange(len(place), device=place.device)[:, None] * box**3
    grid = torch.zeros(len(place) * box**3, dtype=place.dtype, device=place.device)
    for corner in range(8):
        bits = [(corner >> axis) & 1 for axis in range(3)]
        parts = [share[..., axis] if bit else 1 - share[..., axis] for axis, bit in enumerate(bits)]
        x, y, z = ((index[..., axis] + bit) % box for axis, bit in enumerate(bits))
        flat = first + (z * box + y) * box + x
        grid = grid.index_add(0, flat.flatten(), (weight * parts[0] * parts[1] * parts[2]).flatten())
    return grid.view(len(place), box, box, box)


def thinned(
    position: Float[Tensor, "n 3"], weight: Float[Tensor, " n"], *, cell: float
) -> tuple[Float[Tensor, "m 3"], Float[Tensor, " m"]]:
    """Points that share a cube of side ``cell`` Å as one, at their centre, with the sum of their weights."""
    cube = ((position - position.amin(0)) / cell).floor().long()
    _, owner = torch.unique(cube, dim=0, return_inverse=True)
    count = int(owner.max()) + 1
    total = torch.zeros(count, dtype=weight.dtype).index_add(0, owner, weight)
    moment = torch.zeros(count, 3, dtype=weight.dtype).index_add(0, owner, weight[:, None] * position)
    return moment / total[:, None], total
