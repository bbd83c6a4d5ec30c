"""`trimorph volumes RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from trimorph.run.volumes import write_volumes


def command(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
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
) -> None:
    """Write maps of a run at chosen latents, with z_values.csv and a ChimeraX script that opens them.

    Args:
        run: Folder of the run.
        output: New folder for the maps; analysis/volumes_... in the run by default.
        z: Latents as numbers: components parted by commas, latents by semicolons ("0,0;1,0").
        z_file: File with one latent a line (.txt, .csv, .npy).
        particles: Numbers of particles, from 0 ("1,5"): maps at their latents.
        kmeans: Number of clusters: maps at the particles nearest to their centres.
        pc: Principal component, from 1: maps along it from the 5th to the 95th percentile.
        points: Number of maps along the component.
        epoch: Use the model after this epoch; the latest by default.
        box: Box of the maps in voxels; that of training by default.
        pixel_size: Voxel size in Å; that of training by default.
        b_factor: B-factor in Å^2 to apply; a negative one sharpens.
        low_pass: Resolution in Å beyond which to filter out.
        crop: Keep the central cube of so many voxels; its origin is set so that it lies on the whole map.
        flip: Mirror along z: the other hand.
        invert: Invert the contrast.
    """
    paths = write_volumes(
        run,
        output=output,
        z=z,
        z_file=z_file,
        particles=particles,
        kmeans=kmeans,
        pc=pc,
        points=points,
        epoch=epoch,
        box=box,
        pixel_size=pixel_size,
        b_factor=b_factor,
        low_pass=low_pass,
        crop=crop,
        flip=flip,
        invert=invert,
    )
    print(f"{len(paths)} maps, z_values.csv and volumes.cxc in {paths[0].parent}")
