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
    flexible: int = 0,
    held_out: Path | None = None,
    pixel_size: float | None = None,
    overwrite: bool = False,
) -> None:
    """Place a structure in a map, from any start, and write it in the map's frame.

    trimorph fit model.cif map.mrc -o fitted.cif --flexible 10

    Args:
        structure: PDB or mmCIF file.
        map_file: MRC map; its protein is positive.
        output: File to write (.cif, .pdb), a picture (.png) beside it; by default STRUCTURE_fitted.cif here.
        resolution: Resolution in Å of the last refinement; by default 8 or three voxels, or four for bending.
        flexible: Number of normal modes along which the structure is bent from there on; 0 leaves it rigid.
        held_out: Map in the same frame that is not fitted and judges the bending, such as the other half map;
            by default the next finer band of the map itself.
        pixel_size: Voxel size in Å, where the map's header is wrong.
        overwrite: Replace files that are there already.
    """
    from rich.console import Console

    from trimorph.cli.progress import bar
    from trimorph.run.fit import fit

    target = Path(f"{structure.name.split('.')[0]}_fitted.cif") if output is None else output
    with bar("Fitting") as tell:
        found = fit(
            structure,
            map_file,
            target,
            resolution=resolution,
            flexible=flexible,
            held_out=held_out,
            pixel_size=pixel_size,
            overwrite=overwrite,
            progress=tell,
        )
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for line in found.lines:
        console.print(line)
    console.print(f"{target}, {target.with_suffix('.png')}")
