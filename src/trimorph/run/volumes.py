"""Maps of a run at chosen latents, as MRC files with a table of the latents and a ChimeraX script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.data.mrc import write_map
from trimorph.reconstruction.postprocess import sharpen
from trimorph.run.choose_latents import choose_latents, write_latents_table
from trimorph.run.frame import crop as crop_map
from trimorph.run.frame import mirror
from trimorph.run.new_folder import new_folder
from trimorph.run.run import Run


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
    method = opened.method(epoch)
    chosen = choose_latents(
        opened, epoch, latent_dim=method.latent_dim, z=z, z_file=z_file, particles=particles,
        kmeans=kmeans, pc=pc, points=points,
    )  # fmt: skip
    box, pixel_size = box or method.disk.box, pixel_size or method.disk.pixel_size
    if crop is not None and not 1 <= crop <= box:
        raise InputError(f"Found crop to {crop} voxels; wanted from 1 to {box}, the box of the maps.")
    target = (output or opened.path / "analysis" / f"volumes_{chosen.name}").absolute()
    names = [f"vol_{number:03d}.mrc" for number in range(1, len(chosen.z) + 1)]
    with new_folder(target, holds="maps") as folder:
        for done, (name, latent) in enumerate(zip(names, chosen.z, strict=True), start=1):
            density = opened.volume(latent, box=box, pixel_size=pixel_size, epoch=epoch)
            density = sharpen(density, pixel_size=pixel_size, b_factor=b_factor, low_pass=low_pass)
            density = mirror(density) if flip else density
            density = -density if invert else density
            origin = (0.0, 0.0, 0.0)
            if crop is not None:
                density, origin = crop_map(density, crop, pixel_size=pixel_size)
            write_map(folder / name, density, pixel_size, origin=origin)
            if progress is not None:
                progress(done, len(names))
        write_latents_table(folder / "z_values.csv", names, chosen)
        _write_script(folder / "volumes.cxc", names)
    return [target / name for name in names]


def _write_script(path: Path, maps: list[str]) -> None:
    """A ChimeraX script that opens the maps as one series."""
    names = " ".join(maps)
    lines = [f"open {names} vseries true" if len(maps) > 1 else f"open {names}", "volume #1 sdLevel 4 step 1"]
    if len(maps) > 1:
        lines.append("vseries play #1 loop true direction oscillate")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
