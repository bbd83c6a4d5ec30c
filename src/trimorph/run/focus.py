"""Focus: where the particles may differ, by a mask, by parts of the model, or by a symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from trimorph.core.errors import InputError
from trimorph.core.symmetry import asymmetric_unit, symmetry_order, unit_direction
from trimorph.core.voxel_grid import resample
from trimorph.data.mrc import read_map
from trimorph.data.residues import Residues
from trimorph.data.selection import read_index
from trimorph.methods.base import Ingredient
from trimorph.methods.variance_mask import particle_ball

TOLERANCE = 0.01
"""By how much the sides of mask and images may differ, relative to them; pixel sizes are often rounded."""

EDGE = 4.0
"""Pixels over which the mask of an asymmetric unit falls from 1 to 0."""

REACH = 8.0
"""How far in Å density belongs to the points of a structure, where chains are chosen."""


@dataclass(frozen=True)
class FocusSettings:
    """Where the particles may differ."""

    mask: Path | None = None
    """Soft mask (MRC, values 0 to 1, the images' box in Å) of where modes of density may vary. By default it
    is made around the mean map."""
    chains: str | None = None
    """Chains of the structure, or ranges of residues in them, that alone may move: A,B or A:122-159. Needs
    --structure."""
    gaussians: Path | None = None
    """Gaussians of the neutral model that alone may move: numbers from 0 in a .txt or .npy file."""
    unit_direction: tuple[float, float, float] | None = None
    """Direction x y z from the centre in which the asymmetric unit lies that may move, with --symmetry and
    without a mask. By default that of x for C groups, and halfway from x to z for D groups."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that the settings name."""
        return tuple(path for path in (self.mask, self.gaussians) if path is not None)


def focus_mask(
    focus: FocusSettings, wanted: frozenset[Ingredient], *, box: int, pixel_size: float
) -> NDArray[np.float32] | None:
    """The mask on the images' grid, or None where none is given.

    It may have other voxels than the images, but must span the same box.
    Errors: InputError where the method has no use for it, or the file is no such mask; those of
    :func:`read_map`.
    """
    path = focus.mask
    if path is None:
        return None
    if not wanted & {"mask", "modes"}:
        raise InputError(
            f"{path}: found a mask for a method that has no use for it with these settings; wanted one that "
            "finds modes of density. Leave --mask out, or use the method linear."
        )
    values, size, _ = read_map(path)
    side, extent = size * len(values), box * pixel_size
    if len(set(values.shape)) > 1 or abs(side - extent) > TOLERANCE * extent:
        shape = " x ".join(str(length) for length in values.shape)
        raise InputError(
            f"{path}: found {shape} voxels of {size:.4g} Å, {side:.1f} Å a side; wanted a cube of "
            f"{extent:.1f} Å, as the images have ({box} pixels of {pixel_size:.4g} Å). Pad or crop the mask "
            "about its centre, or correct its pixel size."
        )
    lowest, highest = float(values.min()), float(values.max())
    if lowest < -0.01 or highest > 1.01 or highest < 0.1:
        what = "all zeros" if highest == lowest == 0 else f"values from {lowest:.3g} to {highest:.3g}"
        raise InputError(
            f"{path}: found {what}; wanted a mask from 0 to 1, 1 where the density may vary. Is it a map? "
            "Make a mask from it with a threshold and a soft edge."
        )
    same = resample(torch.tensor(values), extent / len(values), box=box, pixel_size=pixel_size)
    return same.clamp(0, 1).numpy()


def movable_gaussians(
    focus: FocusSettings, wanted: frozenset[Ingredient], residues: Residues | None
) -> NDArray[np.int64] | None:
    """Numbers of the Gaussians that may move, or None for all: those in the file and of the chains.

    Errors: InputError where the method has no Gaussians, chains are named without a structure or are not in
    it, the file holds no numbers, or none is left.
    """
    if focus.chains is None and focus.gaussians is None:
        return None
    flag = "--chains" if focus.chains is not None else "--gaussians"
    if "movable" not in wanted:
        raise InputError(
            f"Found {flag} for a method that has no Gaussians; wanted one that has. Leave it out, or use the "
            "method gaussians."
        )
    numbers = None if focus.gaussians is None else _numbers(focus.gaussians, residues)
    if focus.chains is None:
        return numbers
    if residues is None:
        raise InputError(
            f'Found --chains "{focus.chains}" without a structure; wanted one that has these chains. Pass '
            "--structure, or say where the particles differ with --mask."
        )
    chosen = residues.chosen(focus.chains, source="--chains")
    if numbers is None:
        return chosen
    both = np.intersect1d(chosen, numbers)
    if not len(both):
        raise InputError(
            f'{focus.gaussians}: found no Gaussian of the chains "{focus.chains}"; wanted some in both. '
            "Leave one of --chains and --gaussians out."
        )
    return both


def unit_mask(
    focus: FocusSettings, symmetry: str, *, box: int, pixel_size: float, radius: float
) -> NDArray[np.float32] | None:
    """A soft mask of one asymmetric unit within the particle's radius in Å; None without a symmetry.

    Errors: InputError for a direction without a symmetry, or one of no use: see :func:`asymmetric_unit`.
    """
    direction = focus.unit_direction
    if symmetry_order(symmetry) == 1:
        if direction is not None:
            raise InputError(
                "Found --unit-direction without a symmetry; wanted one whose asymmetric unit lies there. "
                "Pass --symmetry, or leave it out."
            )
        return None
    axis = (torch.arange(box) - box // 2) * pixel_size
    place = torch.cartesian_prod(axis, axis, axis).flip(-1).view(box, box, box, 3)
    unit = asymmetric_unit(
        place, symmetry, direction=direction or unit_direction(symmetry), edge=EDGE * pixel_size
    )
    return (unit * particle_ball(box, pixel_size, radius=radius)).numpy()


def mask_around(place: NDArray[np.float64], *, box: int, pixel_size: float) -> NDArray[np.float32]:
    """A soft mask of what lies within REACH of points (g, 3) in Å that stand in the box."""
    away = np.ones((box, box, box), bool)
    x, y, z = np.clip(np.rint(place / pixel_size).astype(int) + box // 2, 0, box - 1).T
    away[z, y, x] = False
    distance = ndimage.distance_transform_edt(away, sampling=pixel_size)
    return np.clip(1 + (REACH - distance) / (EDGE * pixel_size), 0, 1).astype(np.float32)


def _numbers(path: Path, residues: Residues | None) -> NDArray[np.int64]:
    numbers = read_index(path)
    if numbers.dtype == bool:
        numbers = np.flatnonzero(numbers)
    if not len(numbers) or numbers.min() < 0:
        found = "none" if not len(numbers) else str(int(numbers.min()))
        raise InputError(f"{path}: found {found}; wanted numbers of Gaussians, from 0.")
    if residues is not None and numbers.max() >= len(residues):
        raise InputError(
            f"{path}: found the number {numbers.max()}; wanted 0 to {len(residues) - 1}, as the structure "
            f"has {len(residues)} residues, one Gaussian each."
        )
    return np.unique(numbers).astype(np.int64)
