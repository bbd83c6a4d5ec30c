"""ImagePreparer: the images of a table as transforms on one disk, with their noise."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Complex, Float
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.noise import NoiseModel
from trimorph.data.fingerprint import fingerprint
from trimorph.data.noise_measure import batch_noise_power, noise_groups, noise_subset, window_share
from trimorph.data.preprocess import Preparation, unusable
from trimorph.data.reader import ImageReader
from trimorph.data.tables import ParticleTable
from trimorph.data.target import target_grid

INNER, OUTER = 0.85, 0.99
"""Where the window begins to fall, and where it is zero, as fractions of the image's side."""
_CHUNK_PIXELS = 2**18
"""Pixels that are worked on at once: their arrays stay in the processor's cache."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of the images: see :class:`trimorph.data.particles.ParticleStack`."""

    box: int | None = None
    pixel_size: float | None = None
    diameter: float | None = None
    window: bool = True
    invert: bool = False
    seed: int = 0


class ImagePreparer:
    """Reads, normalises, windows, transforms and centres images by their row in a table."""

    def __init__(self, table: ParticleTable, wanted: Wanted) -> None:
        self.table, self.wanted = table, wanted
        self.disk = FourierDisk(*target_grid(table, box=wanted.box, pixel_size=wanted.pixel_size))
        self.group = noise_groups(table.group)
        self._reader = ImageReader(table)
        side = min(float((table.box * table.pixel_size).min()), self.disk.box * self.disk.pixel_size)
        self.radius = 0.5 * _diameter(table, wanted.diameter, side)
        inner, outer = window_radii(side, self.radius) if wanted.window else (float("inf"), float("inf"))
        grid = np.stack([table.box, table.pixel_size], axis=1)
        grids, self._grid = np.unique(grid, axis=0, return_inverse=True)
        self._grid = self._grid.ravel()
        self._preparations = [
            Preparation(int(box), float(size), self.disk, self.radius, inner, outer) for box, size in grids
        ]
        self._sign = torch.as_tensor(table.sign * (-1 if wanted.invert else 1), dtype=torch.float32)
        shift = np.zeros((len(table), 2)) if table.shift is None else table.shift
        self._shift = torch.as_tensor(shift, dtype=torch.float32)

    def transforms(self, rows: NDArray[np.int64]) -> Complex[Tensor, "b n"]:
        """Prepared images of some rows, in the order asked.

        Errors: InputError naming the image that cannot be normalised.
        """
        parts, order = [], []
        for places, preparation in self._by_grid(rows):
            order.append(places)
            for some in self._chunks(places, preparation):
                image, shift = self._read(rows[some])
                values, deviation = preparation(image, shift)
                self._check(rows[some], image, deviation)
                parts.append(values)
        values = torch.cat(parts)
        if len(order) == 1:
            return values
        return values[torch.from_numpy(np.argsort(np.concatenate(order)))]

    def images(self, rows: NDArray[np.int64]) -> list[Float[Tensor, "h w"]]:
        """Images as they are stored, with protein bright and the background normalised."""
        found: dict[int, Tensor] = {}
        for places, preparation in self._by_grid(rows):
            image, shift = self._read(rows[places])
            normalised, deviation = preparation.normalise(image, shift)
            self._check(rows[places], image, deviation)
            found.update(zip(places.tolist(), normalised, strict=True))
        return [found[place] for place in range(len(rows))]

    @cached_property
    def noise(self) -> NoiseModel:
        """Mean noise power of each noise group in the transforms, from up to 1000 images of each."""
        return NoiseModel(torch.stack([self._mean_power(rows) for rows in self._measured]))

    @cached_property
    def window_share(self) -> float:
        """Share of white noise that the windows let through, on average."""
        shares = [
            window_share(self._shift[torch.from_numpy(rows[places[:100]])], preparation)
            for rows in self._measured
            for places, preparation in self._by_grid(rows)
        ]
        return float(torch.cat(shares).mean())

    @property
    def noise_amplitude(self) -> float:
        """Size of a Fourier value of white noise: the unit in which 16 bits hold transforms."""
        return max(one.box * one.gain for one in self._preparations)

    def fingerprint(self) -> str:
        """Digest of all that the transforms depend on."""
        return fingerprint(self.table, {**asdict(self.wanted), "radius": self.radius})

    @cached_property
    def _measured(self) -> list[NDArray[np.int64]]:
        return noise_subset(self.group, seed=self.wanted.seed)

    def _mean_power(self, rows: NDArray[np.int64]) -> Float[Tensor, " s"]:
        total = torch.zeros(int(self.disk.shell[-1]) + 1)
        for places, preparation in self._by_grid(rows):
            for some in self._chunks(places, preparation):
                image, shift = self._read(rows[some])
                normalised, deviation = preparation.normalise(image, shift)
                self._check(rows[some], image, deviation)
                total += batch_noise_power(normalised, shift, preparation).sum(0)
        return total / len(rows)

    def _read(self, rows: NDArray[np.int64]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, "b 2"]]:
        image = torch.from_numpy(self._reader.read(rows))
        index = torch.from_numpy(rows)
        sign = self._sign[index]
        if bool((sign != 1).any()):
            image *= sign[:, None, None]
        return image, self._shift[index]

    def _chunks(self, places: NDArray[np.int64], preparation: Preparation) -> list[NDArray[np.int64]]:
        chunk = max(1, _CHUNK_PIXELS // preparation.box**2)
        return np.split(places, range(chunk, len(places), chunk))

    def _by_grid(self, rows: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], Preparation]]:
        """Places in ``rows`` of the images that share a source grid."""
        grid = self._grid[rows]
        return [(np.flatnonzero(grid == g), self._preparations[g]) for g in np.unique(grid)]

    def _check(
        self, rows: NDArray[np.int64], image: Float[Tensor, "b h w"], deviation: Float[Tensor, " b"]
    ) -> None:
        wrong = torch.nonzero(unusable(deviation, image)).flatten()
        if not len(wrong):
            return
        place = int(wrong[0])
        pixels, name = image[place], self._reader.name(int(rows[place]))
        where = f"{name} (row {self.table.row[rows[place]] + 1} of {self.table.source})"
        broken = int((~pixels.isfinite()).sum())
        if broken:
            raise InputError(
                f"{where}: found {broken} pixels that are NaN or infinite; wanted finite ones. Leave this "
                "particle out (a selection), or extract it again."
            )
        if bool(pixels.max() == pixels.min()):
            raise InputError(
                f"{where}: found the same value {float(pixels[0, 0]):g} in every pixel; wanted an image. "
                "Leave this particle out (a selection), or extract it again."
            )
        raise InputError(
            f"{where}: found no noise outside the particle's diameter of {2 * self.radius:.4g} Å, where the "
            "image is constant; wanted a background to normalise by. Pass images that are not masked, or a "
            "smaller --diameter."
        )


def window_radii(side: float, radius: float) -> tuple[float, float]:
    """Radii in Å where the window of images of a ``side`` begins to fall, and where it ends.

    >>> window_radii(200.0, 50.0)
    (85.0, 99.0)
    """
    inner = max(INNER, min(2 * radius / side, 0.5 * (INNER + OUTER)))
    return 0.5 * side * inner, 0.5 * side * OUTER


def _diameter(table: ParticleTable, diameter: float | None, side: float) -> float:
    if diameter is None:
        return INNER * side
    if not 0 < diameter <= side:
        raise InputError(
            f"{table.source}: found a particle diameter of {diameter:g} Å; wanted more than 0 and at most "
            f"the images' side of {side:.4g} Å. Correct --diameter."
        )
    return diameter
