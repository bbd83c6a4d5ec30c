"""The maps of a truth's states: transforms of each, and what one map for all images would be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from trimorph.core.errors import InputError
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
        if mask is None:
            chosen = molecular_mask(most, pixel_size=truth.pixel_size)
        else:
            chosen = mask_on_grid(mask, box=truth.box, pixel_size=truth.pixel_size)
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
    """A map that must lie on a grid; ``as_told`` does not ask the header for the size of its voxels.

    Errors: InputError for another box or voxel size; those of :func:`trimorph.data.mrc.read_map`.
    """
    found = read_map(path, pixel_size=pixel_size if as_told else None)
    if found.values.shape != (box, box, box) or abs(found.pixel_size / pixel_size - 1) > 1e-3:
        size = "x".join(map(str, found.values.shape))
        raise InputError(
            f"{path}: found {size} voxels of {found.pixel_size:.4g} Å; wanted {box}x{box}x{box} of "
            f"{pixel_size:.4g} Å, as the truth has. Resample it to that grid, or, where only the header is "
            "wrong, pass --ignore-voxel-size."
        )
    return found.values


def _by_numbers(path: Path) -> list[tuple[int, str]]:
    """vol_2 before vol_10."""
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name) if part
    ]
