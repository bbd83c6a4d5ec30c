"""trimorph fit: a structure placed in a map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def command(
    structure: Annotated[Path, tyro.conf.Positional],
    map_file: Annotated[Path, tyro.conf.Positional],
    *,
    output: Annotated[Path | None, tyro.conf.arg(aliases=("-o",))] = None,
    resolution: float | None = None,
    pixel_size: float | None = None,
    overwrite: bool = False,
) -> None:
    """Place a structure in a map, from any start, and write it in the map's frame.

    trimorph fit model.cif map.mrc -o fitted.cif

    Args:
        structure: PDB or mmCIF file.
        map_file: MRC map; its protein is positive.
        output: File to write (.cif, .pdb), a picture (.png) beside it; by default STRUCTURE_fitted.cif here.
        resolution: Resolution in Å of the last refinement; by default 8 or three voxels.
        pixel_size: Voxel size in Å, where the map's header is wrong.
        overwrite: Replace files that are there already.
    """
    from rich.console import Console

    from trimorph.cli.progress import bar
    from trimorph.run.fit import fit

    target = Path(f"{structure.name.split('.')[0]}_fitted.cif") if output is None else output
    with bar("Turning") as tell:
        found = fit(
            structure,
            map_file,
            target,
            resolution=resolution,
            pixel_size=pixel_size,
            overwrite=overwrite,
            progress=tell,
        )
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for line in found.lines:
        console.print(line)
    console.print(f"{target}, {target.with_suffix('.png')}")
