"""From a file of particles to a folder of maps, and from two maps to their FSC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.mrc import Map, read_map
from trimorph.data.open import ParticleInput, open_particles
from trimorph.data.selection import half_sets
from trimorph.reconstruction.figure import draw_fsc
from trimorph.reconstruction.fsc import ShellCorrelation, shell_correlation
from trimorph.reconstruction.reconstruct import Reconstruction, reconstruct
from trimorph.reconstruction.weights import read_weights
from trimorph.reconstruction.write import refuse_existing, write_csv, write_reconstruction


def reconstruct_file(
    particles: ParticleInput,
    output: Path,
    *,
    weights: str | None = None,
    mask: Path | None = None,
    resolution: float | None = None,
    b_factor: float = 0.0,
    low_pass: float | None = None,
    batch_size: int = 256,
    seed: int = 0,
    random_halves: bool = False,
    device: str = "cpu",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Reconstruct the particles of a file and write everything into the folder ``output``.

    Arguments as of :func:`reconstruct` and :func:`write_reconstruction`; ``weights`` is a file (.npy, .txt)
    or the name of a numeric column of the particle file. ``random_halves`` draws half sets from ``seed`` in
    place of those that the file has.

    Errors: those of reading; FileExistsError, before anything is computed, where maps are there already.
    """
    refuse_existing(output, overwrite=overwrite)
    stack = open_particles(particles)
    weight = None if weights is None else read_weights(weights, stack.table)
    region = None if mask is None else mask_on_grid(mask, box=stack.box, pixel_size=stack.pixel_size)
    result = reconstruct(
        stack,
        weights=weight,
        half=half_sets(replace(stack.table, half=None), seed=seed) if random_halves else None,
        limit=resolution,
        mask=region,
        batch_size=batch_size,
        seed=seed,
        device=device,
        progress=progress,
    )
    write_reconstruction(result, output, b_factor=b_factor, low_pass=low_pass, overwrite=overwrite)
    return result


def compare_maps(
    first: Path,
    second: Path,
    *,
    mask: Path | None = None,
    pixel_size: float | None = None,
    output: Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> ShellCorrelation:
    """FSC of two MRC maps; with ``output`` NAME also NAME.csv and NAME.png.

    ``pixel_size`` in Å replaces what the headers say.
    Errors: InputError where boxes or voxel sizes differ, naming both.
    """
    targets = [] if output is None else [output.with_name(output.name + end) for end in (".csv", ".png")]
    for target in targets:
        if target.exists() and not overwrite:
            raise FileExistsError(
                f"{target}: the file exists already and was left as it is. Choose another name, or pass "
                "--overwrite."
            )
    one, two = (read_map(path, pixel_size=pixel_size) for path in (first, second))
    _same_grid(first, one, second, two)
    region = None if mask is None else mask_on_grid(mask, box=len(one.values), pixel_size=one.pixel_size)
    curves = shell_correlation(one.values, two.values, pixel_size=one.pixel_size, mask=region, seed=seed)
    if targets:
        write_csv(targets[0], curves, overwrite=overwrite)
        draw_fsc(targets[1], curves, title=f"{first.name} and {second.name}", overwrite=overwrite)
    return curves


def _same_grid(first: Path, one: Map, second: Path, two: Map) -> None:
    if one.values.shape != two.values.shape or len(set(one.values.shape)) != 1:
        raise InputError(
            f"{second}: found {_size(two)} voxels, and {_size(one)} in {first}; wanted two equal cubes. "
            "Crop or resample one map to the other."
        )
    if abs(one.pixel_size / two.pixel_size - 1) > 1e-3:
        raise InputError(
            f"{second}: found voxels of {two.pixel_size:.4g} Å, and of {one.pixel_size:.4g} Å in {first}; "
            "wanted the same. Resample one map, or, if a header is wrong, pass --pixel-size."
        )


def mask_on_grid(path: Path, *, box: int, pixel_size: float) -> NDArray[np.float32]:
    """A mask file that must lie on the given grid, with values from 0 to 1."""
    mask = read_map(path, pixel_size=pixel_size).values
    if mask.shape != (box, box, box):
        raise InputError(
            f"{path}: found a mask of {'x'.join(map(str, mask.shape))} voxels; wanted {box}x{box}x{box} as "
            "the maps have. Resample it."
        )
    low, high = float(mask.min()), float(mask.max())
    if low < -1e-3 or high > 1 + 1e-3 or high < 0.5:
        raise InputError(
            f"{path}: found values from {low:.3g} to {high:.3g}; wanted a mask from 0 (outside) to 1 "
            "(inside). Scale it, or make one from the map."
        )
    return mask


def _size(density: Map) -> str:
    return "x".join(map(str, density.values.shape))
