"""trimorph fsc: Fourier shell correlation of two maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def command(
    first: Annotated[Path, tyro.conf.Positional],
    second: Annotated[Path, tyro.conf.Positional],
    *,
    mask: Path | None = None,
    pixel_size: float | None = None,
    output: Annotated[Path | None, tyro.conf.arg(aliases=("-o",))] = None,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Compare two maps of one box and voxel size shell by shell.

    trimorph fsc half1.mrc half2.mrc --mask mask.mrc -o fsc

    Args:
        first: MRC map.
        second: MRC map.
        mask: MRC mask (0 to 1): also the FSC in it, corrected by phase randomisation.
        pixel_size: Voxel size in Å, where the headers are wrong.
        output: Name without ending: write OUTPUT.csv and OUTPUT.png.
        seed: Draws the random phases.
        overwrite: Replace files that are there already.
    """
    from rich.console import Console

    from trimorph.cli.curves import curve_table, resolutions
    from trimorph.reconstruction.from_file import compare_maps

    curves = compare_maps(
        first,
        second,
        mask=mask,
        pixel_size=pixel_size,
        output=output,
        seed=seed,
        overwrite=overwrite,
    )
    console = Console(highlight=False)
    console.print(curve_table(curves))
    console.print(resolutions(curves), soft_wrap=True)
    if output is not None:
        console.print(f"  {output}.csv, {output}.png", soft_wrap=True)
