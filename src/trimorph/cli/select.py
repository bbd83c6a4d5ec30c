"""`trimorph select RUN -o FILE [conditions]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from trimorph.analysis.select import Conditions, select
from trimorph.cli.progress import bar


def command(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    output: Annotated[tuple[Path, ...], tyro.conf.arg(aliases=["-o"])],
    where: tuple[str, ...] = (),
    polygon: Path | None = None,
    axes: str = "pc1,pc2",
    near: str | None = None,
    nearest: int | None = None,
    states: str | None = None,
    clusters: str | None = None,
    best: float | None = None,
    index: tuple[Path, ...] = (),
    union: tuple[Path, ...] = (),
    invert: bool = False,
    share: float | None = None,
    seed: int = 0,
    add_latents: bool = False,
    add_classes: bool = False,
    epoch: int | None = None,
    overwrite: bool = False,
) -> None:
    """Choose particles of a run and write them for other programs. Particles have to fulfil all conditions.

    Args:
        run: Folder of the run.
        output: Files to write: .star, .cs (with .csg), or row numbers of the run's file, from 0, as .txt,
            .npy or .pkl (cryoDRGN's --ind).
        where: Spans NAME:LOW:HIGH, one limit or both: z1, pc1, magnitude (distance from the mean latent), or
            a column of a table with a row a particle, as FILE.csv/COLUMN.
        polygon: File with the corners of a polygon in the plane of two axes, one a line.
        axes: Plane of the polygon.
        near: A latent, such as 0,1, whose nearest particles are taken.
        nearest: Number of the nearest.
        states: How states are found, and their number: kmeans:4, or mixture (Gaussians) and peaks (of
            density), which find a number themselves. With the same seed they are those of trimorph analyze.
        clusters: States that are taken, from 1, such as 1,3.
        best: Share of the particles that the model explains best, so that junk is left out.
        index: Files that all have to hold a particle: row numbers, or a star or .cs file, as other selections
            are.
        union: Such files, of which one has to hold a particle.
        invert: Take the others.
        share: Share of what is left that is drawn at random.
        seed: Seed of the draw, and of the search for states: that of the analysis which found them.
        add_latents: Add the latents as columns (trimorphZ1 ..., trimorph/z1 ...).
        add_classes: Add the numbers of the states as a column.
        epoch: Use latents and model after this epoch; the last that has both by default.
        overwrite: Replace files that are there.
    """
    conditions = Conditions(
        where=where, polygon=polygon, axes=axes, near=near, nearest=nearest, states=states, clusters=clusters,
        best=best, index=index, union=union, invert=invert, share=share, seed=seed,
    )  # fmt: skip
    with bar("Comparing images") as progress:
        found = select(
            run,
            output,
            conditions,
            add_latents=add_latents,
            add_classes=add_classes,
            epoch=epoch,
            overwrite=overwrite,
            progress=progress,
        )
    for line in found.lines:
        print(line)
    print(f"{int(found.chosen.sum())} of {len(found.chosen)} particles")
    for file in found.files:
        print(file)
