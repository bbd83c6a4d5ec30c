"""trimorph reconstruct: a map and half maps by weighted back-projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from trimorph.cli.progress import bar
from trimorph.cli.shown_path import shown
from trimorph.core.errors import InputError
from trimorph.data.open import ParticleInput
from trimorph.reconstruction.options import ReconstructionOptions
from trimorph.run.near_points import NearPoints

if TYPE_CHECKING:
    from trimorph.reconstruction.reconstruct import Reconstruction
    from trimorph.run.near import NearState


NOWHERE, DEFAULTS = NearPoints(), ReconstructionOptions()


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
    points: Annotated[NearPoints, tyro.conf.arg(name="")] = NOWHERE,
    options: Annotated[ReconstructionOptions, tyro.conf.arg(name="")] = DEFAULTS,
) -> None:
    """Back-project particles with known poses: map, half maps, FSC curves and pictures in OUTPUT.

    trimorph reconstruct particles.star -o maps --box 128

    trimorph reconstruct particles.star -o maps --weights rlnMaxValueProbDistribution --b-factor -80

    trimorph reconstruct particles.star -o maps --along run

    trimorph reconstruct particles.star -o maps --latents run --near "0,0;1,0"

    trimorph reconstruct particles.star -o maps --latents z.pkl --near-kmeans 8

    trimorph reconstruct particles.star -o maps --along run --near-pc 1

    Args:
        particles: Which particles, and at what size.
        output: Folder for run_class001.mrc, its half maps, postprocess.mrc, .star, fsc.csv, .png, map.png;
            with --near, for a folder state_01 ... of these for each latent.
        along: Run of the method segments or gaussians on these particles: each is bent back along its own
            motion, one rigid part at a time, so that what moves gets sharp. The ordinary map is written
            beside it, and segments_fsc.csv compares both. With --near, particles are bent to each latent,
            and count by how near theirs are in this run.
        points: Around which latents.
        options: How to reconstruct.
    """
    if along is not None and (points.given or points.latents):
        points = replace(points, latents=_same(along, points.latents))
    if points.given or points.latents:
        _near(particles, output, points, options, along=along is not None)
    elif along is not None:
        _along(particles, output, along, options)
    else:
        from trimorph.reconstruction.from_file import reconstruct_file

        with bar("Back-projecting") as tell:
            result = reconstruct_file(particles, output, options, progress=tell)
        _summarise(result, output)


def _along(particles: ParticleInput, output: Path, run: Path, options: ReconstructionOptions) -> None:
    from trimorph.cli.bias import show_along
    from trimorph.run.along import reconstruct_file_along

    with bar("Back-projecting") as tell:
        found = reconstruct_file_along(particles, output, run, options, progress=tell)
    _summarise(found.along, output)
    show_along(found)


def _same(along: Path, latents: Path | None) -> Path:
    """The run along whose motion particles are bent, which has to be that of the latents.

    Errors: InputError for latents of something else.
    """
    if latents is not None and latents.absolute() != along.absolute():
        raise InputError(
            f"Found --along {along} and --latents {latents}; wanted both to be one run: a point among other "
            "latents does not say how far its parts have moved. Leave --latents out, or --along."
        )
    return along


def _near(
    particles: ParticleInput,
    output: Path,
    points: NearPoints,
    options: ReconstructionOptions,
    *,
    along: bool,
) -> None:
    from trimorph.run.near import reconstruct_file_near

    with bar("Back-projecting") as tell:
        states = reconstruct_file_near(particles, output, points, options, along=along, progress=tell)
    _summarise(states[0].everyone, output / "all")
    _show_states(states)
    print(f"Distances are {states[0].metric}.")
    local = states[0].local
    if local.passes > 1:
        print(f"Particles were read {local.passes} times, as all sums at once would take too much memory.")
    print(f"A folder for each in {shown(output)}, states.csv, and near.cxc for ChimeraX")


def _show_states(states: Sequence[NearState]) -> None:
    """Print the table of the states."""
    from math import isfinite

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from trimorph.run.near_files import state_rows

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("state", "z", "particles", "effective", "FSC 0.143", "FSC 0.5"):
        table.add_column(name, justify="left" if name in ("state", "z") else "right")
    for row, state in zip(state_rows(states), states, strict=True):
        limits = [float(row[f"resolution_{limit}"]) for limit in ("0.143", "0.5")]
        table.add_row(
            row["state"],
            ", ".join([*(f"{value:.2f}" for value in state.z[:2]), *["..."][: len(state.z) > 2]]),
            f"{row['fewest']} to {row['particles']}",
            f"{row['effective']:.0f}",
            *(f"{limit:.1f} Å" if isfinite(limit) else "none" for limit in limits),
        )
    Console(highlight=False, markup=False, soft_wrap=True).print(table)


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
