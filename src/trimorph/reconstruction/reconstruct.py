"""Weighted back-projection of a particle stack into a map and two half maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.density_solver import STEPS
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.data.selection import half_sets
from trimorph.reconstruction.fsc import ShellCorrelation, shell_correlation
from trimorph.reconstruction.gather import Share, gather
from trimorph.reconstruction.images import Images
from trimorph.reconstruction.mask import QUANTILE, molecular_mask, spherical_mask

Density = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A map, its half maps and their FSC; densities are (d, d, d) [z, y, x] on the scale of the images.

    ``map`` carries the Wiener filter of the half-map FSC, the half maps are unfiltered. ``mask`` is None
    where no density stands out. ``half`` says which particle went into which half (0: weight zero).
    """

    map: Density
    half1: Density
    half2: Density
    mask: Density | None
    curves: ShellCorrelation
    half: NDArray[np.int64]

    @property
    def pixel_size(self) -> float:
        """Voxel size in Å."""
        return self.curves.pixel_size

    @property
    def fsc(self) -> NDArray[np.float32]:
        """Unmasked half-map FSC on shells 0 to ``box // 2``."""
        return self.curves.unmasked

    @property
    def fsc_masked(self) -> NDArray[np.float32]:
        """Half-map FSC in the mask, corrected by phase randomisation; the unmasked one without a mask."""
        return self.curves.best

    @property
    def resolution(self) -> float:
        """Resolution in Å at the first crossing of 0.143."""
        return self.curves.resolution()

    def write(self, folder: Path | str, **options: Any) -> list[Path]:
        """Write maps, curves and pictures: :func:`trimorph.reconstruction.write.write_reconstruction`."""
        from trimorph.reconstruction.write import write_reconstruction

        return write_reconstruction(self, Path(folder), **options)


def reconstruct(
    stack: Images,
    *,
    weights: NDArray[np.floating] | None = None,
    half: NDArray[np.integer] | None = None,
    limit: float | None = None,
    mask: Density | None = None,
    batch_size: int = 256,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Back-project particles with known poses: CTF-weighted, noise-whitened, Wiener-filtered by shell.

    ``weights`` (n,) >= 0 multiply each particle's precision; ``half`` (n,) of 1 and 2 overrides the file's
    half sets, which are drawn from ``seed`` where the file has none. ``limit`` is a resolution in Å.
    Half maps are least squares without a prior; that of the map has the signal-to-noise ratio
    2 FSC / (1 - FSC) of the half maps in the mask, which by default is made from the map.
    Source: Scheres, J. Struct. Biol. 180 (2012) 519; Sindelar & Grigorieff, J. Struct. Biol. 180 (2012) 26.
    """
    weight = checked_weights(weights, len(stack))
    sets = checked_halves(stack, half, weight, seed)
    disk = checked_disk(stack.disk, limit, device)
    [halves] = gather(stack, [Share(weight)], sets=sets, disk=disk, batch_size=batch_size, progress=progress)
    return finish(*halves, disk=disk, mask=mask, sets=sets)


Half = TypeVar("Half", bound="Sums")


@runtime_checkable
class Sums(Protocol):
    """Sums over images that a density is solved from, as a BackProjector has them."""

    def solve(self, ssnr: Tensor | None = None, *, steps: int = STEPS) -> Tensor:
        """The density under a prior of that signal-to-noise ratio a shell, or of least squares."""

    def __add__(self: Half, other: Half) -> Half:
        """Those of both sets of images."""


def finish(
    half1: Half, half2: Half, *, disk: FourierDisk, mask: Density | None, sets: NDArray[np.int64]
) -> Reconstruction:
    """Solve the halves, then the whole under the prior that their FSC gives, without and with a mask."""
    corners = ball_of(disk)
    first, second = (half.solve().cpu().numpy() * corners for half in (half1, half2))
    correlate = partial(
        shell_correlation, first, second, pixel_size=disk.pixel_size, last=int(disk.shell[-1])
    )
    curves = correlate()
    whole = half1 + half2
    if mask is None:
        draft = whole.solve(wiener_ssnr(curves), steps=0).cpu().numpy() * corners
        bright = float(np.quantile(draft, QUANTILE)) > 0
        mask = molecular_mask(draft, pixel_size=disk.pixel_size) if bright else None
    if mask is not None:
        curves = correlate(mask=mask)
    density = whole.solve(wiener_ssnr(curves)).cpu().numpy() * corners
    return Reconstruction(density, first, second, mask, curves, sets)


def ball_of(disk: FourierDisk) -> Density:
    """1 where the box can hold density: all but its corners."""
    return spherical_mask(disk.box, radius=disk.box / 2 - 3, edge=3.0)


def wiener_ssnr(curves: ShellCorrelation) -> Tensor:
    """Signal-to-noise ratio of the whole set, 2 FSC / (1 - FSC), on each shell.

    Beyond the first crossing of 0.143 the unmasked FSC is taken: in a small mask noise alone has high values.
    """
    curve = curves.best.copy()
    below = np.flatnonzero(curve[1:] < 0.143)
    if len(below):
        curve[below[0] + 1 :] = curves.unmasked[below[0] + 1 :]
    correlation = torch.as_tensor(curve).clamp(1e-3, 0.9999)
    return 2 * correlation / (1 - correlation)


def checked_disk(disk: FourierDisk, resolution: float | None, device: torch.device | str) -> FourierDisk:
    """The disk to a resolution in Å on a device.   Errors: InputError for one that is not there."""
    if resolution is not None and not resolution > 0:
        raise InputError(
            f"Resolution limit: found {resolution} Å; wanted a positive number, or none for all frequencies."
        )
    return disk.limit(resolution=resolution).to(_device(device))


def _device(name: torch.device | str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f'Device: found "{name}"; wanted cpu or cuda.') from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError("Device: found no CUDA device on this machine; wanted one for cuda. Use cpu.")
    return device


def checked_weights(weights: NDArray[np.floating] | None, count: int) -> NDArray[np.float32]:
    """Weights of all particles, by default one.   Errors: InputError where not all are finite and >= 0."""
    if weights is None:
        return np.ones(count, dtype=np.float32)
    weights = np.asarray(weights, dtype=np.float32)
    if weights.shape != (count,):
        raise InputError(
            f"Particle weights: found shape {weights.shape}; wanted one for each of the {count} particles."
        )
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise InputError(
            f"Particle weights: found {weights[wrong[0]]} for particle {wrong[0]} ({len(wrong)} such); "
            "wanted finite numbers >= 0. Give particles that are not wanted the weight 0."
        )
    return weights


def checked_halves(
    stack: Images, half: NDArray[np.integer] | None, weight: NDArray[np.float32], seed: int
) -> NDArray[np.int64]:
    """Half set of each particle; 0 for those of weight zero.   Errors: InputError where one is empty."""
    given = half_sets(stack.table, seed=seed) if half is None else np.asarray(half)
    if given.shape != weight.shape:
        raise InputError(
            f"Half sets: found shape {given.shape}; wanted one for each of the {len(weight)} particles."
        )
    sets = np.where(weight > 0, given, 0).astype(np.int64)
    counts = [int((sets == number).sum()) for number in (1, 2)]
    outside = int((weight > 0).sum()) - sum(counts)
    if min(counts) == 0 or outside:
        raise InputError(
            f"Half sets: found {counts[0]} particles in half set 1, {counts[1]} in half set 2 and "
            f"{outside} in neither; wanted some in each and none outside. Choose other particles, or "
            "draw new half sets with --random-halves."
        )
    return sets
