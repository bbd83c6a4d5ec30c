"""trimorph reconstruct: a map and half maps by weighted back-projection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from trimorph.data.open import ParticleInput

if TYPE_CHECKING:
    from trimorph.reconstruction.reconstruct import Reconstruction


@dataclass(frozen=True)
class WholeImages(ParticleInput):
    """Particles without a window, unlike in training: the CTF spreads a particle beyond any."""

    window: bool = False
    """Fade the images out beyond the particle: from 0.85 (or the diameter) to 0.99 of the box's side."""


def command(
    particles: Annotated[WholeImages, tyro.conf.arg(name=""), tyro.conf.PositionalRequiredArgs],
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
    along: Path | None = None,
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
) -> None:
    """Back-project particles with known poses: map, half maps, FSC curves and pictures in OUTPUT.

    trimorph reconstruct particles.star -o maps --box 128

    trimorph reconstruct particles.star -o maps --weights rlnMaxValueProbDistribution --b-factor -80

    trimorph reconstruct particles.star -o maps --along run

    Args:
        particles: Which particles, and at what size.
        output: Folder for run_class001.mrc, its half maps, postprocess.mrc, .star, fsc.csv, .png, map.png.
        along: Run of the method segments on these particles: each is bent back along its own motion, one
            segment at a time, so that what moves gets sharp. The ordinary map is written beside it, and
            segments_fsc.csv compares both.
        weights: File (.npy, .txt) with one weight >= 0 a particle, or a column of the particle file.
        mask: Mask map for the FSC; by default made from the map: half its 99.99th percentile, 25 Å wider,
            15 Å soft.
        resolution: Use frequencies up to this resolution in Å only.
        b_factor: B-factor in Å^2 that postprocess.mrc is multiplied by; a negative one sharpens.
        low_pass: Resolution in Å beyond which postprocess.mrc is filtered out; by default where FSC = 0.143.
        batch_size: Images read at a time.
        seed: Draws the half sets where the file has none.
        random_halves: Draw half sets from the seed in place of those that the file has.
        device: Where the sums are kept: cpu, or cuda.
        overwrite: Replace maps that are in the folder already.
    """
    from trimorph.cli.progress import bar

    options: dict[str, Any] = {
        "weights": weights,
        "mask": mask,
        "resolution": resolution,
        "b_factor": b_factor,
        "low_pass": low_pass,
        "batch_size": batch_size,
        "seed": seed,
        "random_halves": random_halves,
        "device": device,
        "overwrite": overwrite,
    }
    if along is None:
        from trimorph.reconstruction.from_file import reconstruct_file

        with bar("Back-projecting") as tell:
            _summarise(reconstruct_file(particles, output, progress=tell, **options), output)
        return
    from trimorph.cli.bias import show_along
    from trimorph.run.along import reconstruct_file_along

    with bar("Back-projecting") as tell:
        found = reconstruct_file_along(particles, output, along, progress=tell, **options)
    _summarise(found.along, output)
    show_along(found)


def _summarise(result: Reconstruction, output: Path) -> None:
    import numpy as np
    from rich.console import Console

    from trimorph.cli.curves import resolutions

    console = Console(highlight=False)
    first, second = (int((result.half == number).sum()) for number in (1, 2))
    box, pixel_size = len(result.map), result.pixel_size
    console.print(
        f"{first + second} particles (half sets of {first} and {second}), map of {box} voxels of "
        f"{pixel_size:.4g} Å"
    )
    console.print(resolutions(result.curves), soft_wrap=True)
    if result.mask is None:
        console.print(
            "  The map is not bright anywhere, so there is no mask. If the protein is dark in the images, "
            "pass --invert."
        )
    else:
        share = float(result.mask.mean())
        diameter = (6 / np.pi * share) ** (1 / 3) * box * pixel_size
        console.print(f"  mask as large as a ball of {diameter:.0f} Å, {100 * share:.1f} % of the box")
    console.print(f"  {output}", soft_wrap=True)
