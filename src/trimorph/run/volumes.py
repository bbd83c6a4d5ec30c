"""Maps of a run at chosen latents, as MRC files with a table of the latents and a ChimeraX script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.mrc import write_map
from trimorph.reconstruction.postprocess import sharpen
from trimorph.run.choose_latents import Chosen, choose_latents, write_latents_table
from trimorph.run.frame import crop as crop_map
from trimorph.run.frame import mirror
from trimorph.run.new_folder import new_folder
from trimorph.run.plain_table import write_lines
from trimorph.run.run import Run

CONTOUR = 4.0
"""Standard deviations above the mean at which ChimeraX shows maps: all of a series at their average."""


@dataclass(frozen=True)
class MapSettings:
    """How maps of a model are made, and what is done to them before they are written."""

    box: int | None = None
    """Box in voxels; that of training by default."""
    pixel_size: float | None = None
    """Voxel size in Å; that of training by default."""
    b_factor: float = 0.0
    """B-factor in Å^2 to apply; a negative one sharpens."""
    low_pass: float | None = None
    """Resolution in Å beyond which to filter out."""
    crop: int | None = None
    """Keep the central cube of so many voxels; its origin is set so that it lies on the whole map."""
    flip: bool = False
    """Mirror along z: the other hand."""
    invert: bool = False
    """Invert the contrast."""


def write_volumes(
    run: Path | str,
    *,
    output: Path | None = None,
    z: str | None = None,
    z_file: Path | None = None,
    particles: str | None = None,
    kmeans: int | None = None,
    pc: int | None = None,
    points: int = 10,
    epoch: int | None = None,
    box: int | None = None,
    pixel_size: float | None = None,
    b_factor: float = 0.0,
    low_pass: float | None = None,
    crop: int | None = None,
    flip: bool = False,
    invert: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write maps vol_001.mrc ... of a run, z_values.csv and volumes.cxc to a new folder; return the maps.

    Just one of ``z`` ("0,0;1,0"), ``z_file``, ``particles`` ("1,5"), ``kmeans`` (number of clusters) and
    ``pc`` (principal component, ``points`` along it) says where; a run of latent dimension 0 needs none.
    ``output`` is by default analysis/NAME in the run, after the choice. ``epoch`` is the latest by default,
    ``box`` and ``pixel_size`` those of training. A negative ``b_factor`` (Å^2) sharpens, ``low_pass`` is in
    Å, ``crop`` in voxels, ``flip`` mirrors along z.

    Errors: FileExistsError for a folder in use; InputError for a choice that is missing, double or wrong.
    """
    opened = Run.open(run)
    latent_dim = opened.method(epoch).latent_dim
    if epoch is None and latent_dim and (particles, kmeans, pc) != (None,) * 3:
        epoch = opened.last_whole_epoch()
    chosen = choose_latents(
        opened, epoch, latent_dim=latent_dim, z=z, z_file=z_file, particles=particles,
        kmeans=kmeans, pc=pc, points=points,
    )  # fmt: skip
    maps = MapSettings(box, pixel_size, b_factor, low_pass, crop, flip, invert)
    target = (output or opened.path / "analysis" / f"volumes_{chosen.name}").absolute()
    with new_folder(target, holds="maps") as folder:
        names = write_series(folder, opened, chosen, maps=maps, epoch=epoch, progress=progress)
    return [target / name for name in names]


def write_series(
    folder: Path,
    run: Run,
    chosen: Chosen,
    *,
    maps: MapSettings,
    epoch: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Write maps vol_001.mrc ... at the latents, z_values.csv and volumes.cxc to a folder; names of the maps.

    Errors: InputError for a crop beyond the box; FileExistsError.
    """
    disk = run.method(epoch).disk
    box, pixel_size = maps.box or disk.box, maps.pixel_size or disk.pixel_size
    if maps.crop is not None and not 1 <= maps.crop <= box:
        raise InputError(f"Found crop to {maps.crop} voxels; wanted from 1 to {box}, the box of the maps.")
    names = [f"vol_{number:03d}.mrc" for number in range(1, len(chosen.z) + 1)]
    level = 0.0
    for done, (name, latent) in enumerate(zip(names, chosen.z, strict=True), start=1):
        density = run.volume(latent, box=box, pixel_size=pixel_size, epoch=epoch)
        density, origin = _finished(density, pixel_size, maps)
        write_map(folder / name, density, pixel_size, origin=origin)
        level += float(density.mean() + CONTOUR * density.std()) / len(names)
        if progress is not None:
            progress(done, len(names))
    write_latents_table(folder / "z_values.csv", names, chosen)
    write_lines(folder / "volumes.cxc", _script(names, level))
    return names


def _finished(
    density: Float[ndarray, "b b b"], pixel_size: float, maps: MapSettings
) -> tuple[Float[ndarray, "c c c"], tuple[float, float, float]]:
    """A density as it is written, and its origin in Å."""
    density = sharpen(density, pixel_size=pixel_size, b_factor=maps.b_factor, low_pass=maps.low_pass)
    density = mirror(density) if maps.flip else density
    density = -density if maps.invert else density
    if maps.crop is None:
        return density, (0.0, 0.0, 0.0)
    return crop_map(density, maps.crop, pixel_size=pixel_size)


def _script(maps: list[str], level: float) -> list[str]:
    """A ChimeraX script that opens the maps as one series, all at one level."""
    series = len(maps) > 1
    lines = [
        f"open {' '.join(maps)}{' vseries true' if series else ''}",
        f"volume #1 level {level:.4g} step 1",
    ]
    return [*lines, "vseries play #1 loop true direction oscillate"] if series else lines
