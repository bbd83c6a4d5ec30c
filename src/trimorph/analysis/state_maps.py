"""Maps of all states on one grid, small enough to look at, and how surely they differ.

Letters: k states, d voxels along an edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.analysis.analysis import StateFiles
from trimorph.core.voxel_grid import resample
from trimorph.data.mrc import read_map
from trimorph.reconstruction.mask import QUANTILE, molecular_mask
from trimorph.reconstruction.postprocess import sharpen

MOST = 96
"""Voxels along an edge that are looked at; larger maps are resampled to so many."""

Maps = Float[ndarray, "k d d d"]


@dataclass(frozen=True, eq=False)
class Difference:
    """How a state's own map differs from the mean of all states' own maps.

    Both halves of the particles tell of it apart: ``correlation`` is that of the two in the mask, which is 0
    where noise alone differs; ``size`` is the root mean square of the difference that they share, in parts of
    that of the mean map. All is low-passed to ``resolution`` (Å), which the poorest of the states has.
    """

    correlation: float
    size: float
    resolution: float


@dataclass(frozen=True, eq=False)
class StateMaps:
    """The model's maps of all states and, where there are any, the particles' own with their half maps.

    ``share`` (k) of the particles weighs the means; ``resolution`` (Å) is what all states have, and
    ``nyquist`` (Å) the finest that the maps' files can.
    """

    decoded: Maps
    own: Maps | None
    half1: Maps | None
    half2: Maps | None
    share: Float[ndarray, " k"]
    pixel_size: float
    resolution: float
    nyquist: float = 0.0

    @property
    def shown(self) -> Maps:
        """The particles' own maps, or where there are none, the model's."""
        return self.decoded if self.own is None else self.own

    def mean(self, maps: Maps) -> Float[ndarray, "d d d"]:
        """The mean of maps, weighted by the states' particles."""
        found: Float[ndarray, "d d d"] = np.tensordot(self.share, maps, 1)
        return found

    @cached_property
    def mask(self) -> Float[ndarray, "d d d"] | None:
        """Where there is density in any state; None where nothing stands out."""
        highest = self.shown.max(0)
        if not float(np.quantile(highest, QUANTILE)) > 0:
            return None
        return molecular_mask(highest, pixel_size=self.pixel_size, dilation=2 * self.pixel_size, edge=8.0)

    @cached_property
    def changes(self) -> Maps | None:
        """Own maps less their mean, low-passed to the resolution that all have; None without half maps."""
        if self.half1 is None or self.half2 is None:
            return None
        both = self._smooth(0.5 * (self.half1 + self.half2))
        return both - self.mean(both)

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """How surely, and how much, each state differs from the mean; empty where nothing compares."""
        if self.half1 is None or self.half2 is None or self.mask is None or len(self.decoded) < 2:
            return ()
        halves = [self._smooth(half) for half in (self.half1, self.half2)]
        means = [self.mean(half) for half in halves]
        power = float((self.mask * means[0] * means[1]).sum())
        found = []
        for first, second in zip(halves[0] - means[0], halves[1] - means[1], strict=True):
            shared = float((self.mask * first * second).sum())
            both = float((self.mask * first**2).sum() * (self.mask * second**2).sum())
            found.append(
                Difference(
                    correlation=shared / np.sqrt(both) if both > 0 else 0.0,
                    size=float(np.sqrt(max(shared, 0.0) / power)) if power > 0 else 0.0,
                    resolution=self.resolution,
                )
            )
        return tuple(found)

    def _smooth(self, maps: Maps) -> Maps:
        limit = self.resolution if np.isfinite(self.resolution) else None
        return np.stack([sharpen(one, pixel_size=self.pixel_size, low_pass=limit) for one in maps])


def load_state_maps(folder: Path, files: Sequence[StateFiles]) -> StateMaps:
    """Read the maps of all states, resampled to at most 96 voxels along an edge.

    The common resolution is the poorest of the states', and not finer than the grid shows.
    """
    decoded, pixel_size = _read(folder, [one.map for one in files])
    share = np.array([max(one.share, 0.0) for one in files], dtype=np.float64)
    share = share / share.sum() if share.sum() > 0 else np.full(len(files), 1 / len(files))
    known = [one.resolution for one in files if one.resolution is not None and np.isfinite(one.resolution)]
    resolution = max([2 * pixel_size, *known])
    own_files = [one.own for one in files if one.own is not None]
    if len(own_files) < len(files):
        return StateMaps(decoded, None, None, None, share, pixel_size, resolution)
    nyquist = 2 * read_map(folder / own_files[0]).pixel_size
    own = _read_like(folder, own_files, decoded, pixel_size)
    halves: list[Maps | None] = []
    for paths in ([one.half1 for one in files], [one.half2 for one in files]):
        there = [path for path in paths if path is not None]
        halves.append(_read_like(folder, there, decoded, pixel_size) if len(there) == len(files) else None)
    return StateMaps(decoded, own, halves[0], halves[1], share, pixel_size, resolution, nyquist)


def read_small(path: Path) -> tuple[Float[ndarray, "d d d"], float]:
    """A map of at most 96 voxels along an edge, without the frequencies that these cannot hold, and its Å."""
    found = read_map(path)
    box = len(found.values)
    if box <= MOST:
        return found.values, found.pixel_size
    pixel_size = found.pixel_size * box / MOST
    small = resample(torch.as_tensor(found.values), found.pixel_size, box=MOST, pixel_size=pixel_size)
    return small.numpy(), pixel_size


def _read(folder: Path, paths: Sequence[Path]) -> tuple[Maps, float]:
    maps, pixel_size = [], 1.0
    for path in paths:
        density, pixel_size = read_small(folder / path)
        maps.append(density)
    return np.stack(maps).astype(np.float32), pixel_size


def _read_like(folder: Path, paths: Sequence[Path], other: Maps, pixel_size: float) -> Maps:
    """Maps on the grid of others: a model may have been trained on smaller images."""
    maps, own = _read(folder, paths)
    box = other.shape[-1]
    if maps.shape == other.shape and abs(own - pixel_size) < 1e-4 * pixel_size:
        return maps
    found: Maps = resample(torch.as_tensor(maps), own, box=box, pixel_size=pixel_size).numpy()
    return found
