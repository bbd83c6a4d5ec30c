"""The maps of a truth's states: transforms of each, and what one map for all images would be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Complex, Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.core.voxel_grid import resample
from trimorph.data.mrc import read_map
from trimorph.data.truth import Truth
from trimorph.evaluation.shell_correlation import Shells
from trimorph.reconstruction.mask import molecular_mask
from trimorph.reconstruction.mask_file import mask_on_grid

_KEPT_BYTES = 2**30
"""Memory for transforms of true maps."""

SUFFIXES = (".mrc", ".map", ".ccp4", ".rec")


@dataclass(frozen=True, eq=False)
class Transforms:
    """A map's transform in shells, whole and in the mask, with their powers."""

    whole: Complex[ndarray, " p"]
    masked: Complex[ndarray, " p"]
    whole_power: Float[ndarray, " h"]
    masked_power: Float[ndarray, " h"]


@dataclass(frozen=True, eq=False)
class TrueMaps:
    """Maps of the states on the truth's grid, read when they are asked for.

    ``mask`` is soft, from 0 to 1, ``mean`` the mean of the maps as often as the states occur, and ``of``
    gives the transforms of a state, and keeps some of them.
    """

    paths: tuple[Path, ...]
    shells: Shells
    pixel_size: float
    mask: Float[ndarray, "d d d"]
    mean: Float[ndarray, "d d d"]
    of: Callable[[int], Transforms]

    @classmethod
    def read(cls, folder: Path, truth: Truth, *, mask: Path | None = None) -> TrueMaps:
        """Open the folder of a truth's states: one map each, in the order of their names.

        The mask is that of the file, or is made around all that is dense in any of the states.
        Errors: FileNotFoundError; InputError for another number of maps, and maps on another grid.
        """
        paths = map_files(folder)
        if len(paths) != len(truth.state_names):
            raise InputError(
                f"{folder}: found {len(paths)} maps; wanted {len(truth.state_names)}, one for each state of "
                "the truth, in the order of their names. Pass the folder NAME_states of its simulation with "
                "--states."
            )
        shells = Shells(truth.box)
        number = np.bincount(truth.state, minlength=len(paths))
        mean = np.zeros((truth.box,) * 3)
        most = np.full((truth.box,) * 3, -np.inf, np.float32)
        for path, count in zip(paths, number, strict=True):
            if count:
                density = map_on_grid(path, box=truth.box, pixel_size=truth.pixel_size)
                mean += density * (count / len(truth))
                most = np.maximum(most, density)
        _refuse_coarse(paths[0], truth)
        chosen = molecular_mask(most, pixel_size=truth.pixel_size) if mask is None else _mask_of(mask, truth)
        size = 16 * truth.box**3
        keep = max(4, _KEPT_BYTES // size)

        @lru_cache(maxsize=keep)
        def of(state: int) -> Transforms:
            density = map_on_grid(paths[state], box=truth.box, pixel_size=truth.pixel_size)
            return transforms(density, shells=shells, mask=chosen)

        return cls(paths, shells, truth.pixel_size, chosen, mean.astype(np.float32), of)


def transforms(
    density: Float[ndarray, "d d d"], *, shells: Shells, mask: Float[ndarray, "d d d"]
) -> Transforms:
    """Transforms of a map, whole and in a mask."""
    whole, masked = shells.transform(density), shells.transform(density * mask)
    return Transforms(whole, masked, shells.power(whole), shells.power(masked))


def map_files(folder: Path) -> tuple[Path, ...]:
    """The maps in a folder, ordered by the numbers in their names.

    Errors: FileNotFoundError, NotADirectoryError; InputError where there are none.
    """
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: found nothing; wanted a folder of maps. Check the path.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: found a file; wanted a folder of maps.")
    found = [path for path in folder.iterdir() if path.suffix in SUFFIXES]
    if not found:
        raise InputError(f"{folder}: found no map ({', '.join(SUFFIXES)}); wanted some. Check the path.")
    return tuple(sorted(found, key=_by_numbers))


def map_on_grid(path: Path, *, box: int, pixel_size: float, as_told: bool = False) -> Float[ndarray, "d d d"]:
    """A map on a grid of the same extent in Å; ``as_told`` does not ask the header for the voxel size.

    Of another number of voxels, it is resampled: what is finer than the coarser of both grids is left out.
    Errors: InputError for another extent; those of :func:`trimorph.data.mrc.read_map`.
    """
    found = read_map(path, pixel_size=pixel_size if as_told else None)
    own, extent = len(found.values), box * pixel_size
    if found.values.shape != (own,) * 3 or abs(own * found.pixel_size / extent - 1) > 1e-3:
        size = "x".join(map(str, found.values.shape))
        raise InputError(
            f"{path}: found {size} voxels of {found.pixel_size:.4g} Å; wanted a cube of {extent:.4g} Å, as "
            f"the {box} voxels of {pixel_size:.4g} Å of the truth. Cut or pad it to that extent, or, where "
            "only the header is wrong, pass --ignore-voxel-size."
        )
    if own == box:
        return found.values
    return resample(torch.tensor(found.values), extent / own, box=box, pixel_size=pixel_size).numpy()


def grid_note(own: int, pixel_size: float, *, box: int, onto: float) -> str:
    """What is to be said of maps that were drawn on another grid; nothing where it is the same.

    >>> grid_note(32, 8.0, box=64, onto=4.0)
    ', resampled from 32 voxels of 8 Å to 64 of 4 Å: nothing finer than 16 Å is in them'
    >>> grid_note(128, 2.0, box=64, onto=4.0)
    ', resampled from 128 voxels of 2 Å to 64 of 4 Å'
    """
    if own == box:
        return ""
    coarse = f": nothing finer than {2 * pixel_size:.4g} Å is in them" if own < box else ""
    return f", resampled from {own} voxels of {pixel_size:.4g} Å to {box} of {onto:.4g} Å{coarse}"


def _mask_of(path: Path, truth: Truth) -> Float[ndarray, "d d d"]:
    """A mask on the truth's grid; of another number of voxels, by what lies in the same extent in Å."""
    if len(read_map(path).values) == truth.box:
        return mask_on_grid(path, box=truth.box, pixel_size=truth.pixel_size)
    return map_on_grid(path, box=truth.box, pixel_size=truth.pixel_size).clip(0.0, 1.0)


def _refuse_coarse(path: Path, truth: Truth) -> None:
    """Raise InputError for a true map that does not hold what the images do."""
    found = read_map(path)
    if len(found.values) < truth.box:
        raise InputError(
            f"{path}: found a true map of {len(found.values)} voxels; wanted {truth.box} or more, as the "
            "images of the truth, which else show what the map does not. Simulate with the maps, or leave "
            "them out."
        )


def _by_numbers(path: Path) -> list[tuple[int, str]]:
    """vol_2 before vol_10."""
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name) if part
    ]
