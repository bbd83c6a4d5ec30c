"""From a file of particles to a folder of maps, and from two maps to their FSC."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trimorph.core.errors import InputError
from trimorph.data.mrc import Map, read_map
from trimorph.data.open import ParticleInput, open_particles
from trimorph.reconstruction.figure import draw_fsc
from trimorph.reconstruction.fsc import ShellCorrelation, shell_correlation
from trimorph.reconstruction.mask_file import mask_on_grid
from trimorph.reconstruction.options import ReconstructionOptions
from trimorph.reconstruction.reconstruct import Reconstruction, reconstruct
from trimorph.reconstruction.write import refuse_existing, write_csv, write_reconstruction


def reconstruct_file(
    particles: ParticleInput,
    output: Path,
    options: ReconstructionOptions | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Reconstruct the particles of a file and write everything into the folder ``output``.

    Errors: those of reading; FileExistsError, before anything is computed, where maps are there already.
    """
    options = options or ReconstructionOptions()
    refuse_existing(output, overwrite=options.overwrite)
    stack = open_particles(particles)
    result = reconstruct(stack, **options.of_particles(stack), progress=progress)
    write_reconstruction(result, output, **options.of_files)
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


def _size(density: Map) -> str:
    return "x".join(map(str, density.values.shape))
