"""`trimorph structures RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from trimorph.cli.shown_path import shown

if TYPE_CHECKING:
    from trimorph.run.structures import StructuresReport


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
    distance: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    random: int = 200,
    epoch: int | None = None,
) -> None:
    """Write structures of a run at chosen latents: ensemble, maps, tables of segments, quality, picture.

    trimorph structures run

    trimorph structures run --kmeans 5 --distance "A:118-160 to A:30-59"

    Args:
        run: Folder of a run of a method that moves a structure, such as segments.
        output: New folder for what is written; analysis/structures_... in the run by default.
        z: Latents as numbers: components parted by commas, latents by semicolons ("0,0;1,0").
        z_file: File with one latent a line (.txt, .csv, .npy).
        particles: Numbers of particles, from 0 ("1,5"): structures at their latents.
        kmeans: Number of clusters: structures at the particles nearest to their centres.
        pc: Principal component, from 1: structures along it from the 5th to the 95th percentile; the first
            by default.
        points: Number of structures along the component.
        distance: Two groups of residues whose centroids' distance is measured in every particle
            ("A:118-160 to A:30-59"); may be given several times.
        random: Number of random particles whose structures are looked at for clashes and broken chains.
        epoch: Use the model after this epoch; the latest by default.
    """
    from trimorph.cli.progress import bar
    from trimorph.run.structures import write_structures

    with bar("Structures") as tell:
        report = write_structures(
            run,
            output=output,
            z=z,
            z_file=z_file,
            particles=particles,
            kmeans=kmeans,
            pc=pc,
            points=points,
            random=random,
            distances=distance,
            epoch=epoch,
            progress=tell,
        )
    show_structures(report)


def show_structures(report: StructuresReport) -> None:
    """Print what moves how, and how good the structures are."""
    import numpy as np
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, soft_wrap=True)
    rows = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("segment", "residues", "ends known to", "turns by (sd)", "shifts by (rms)"):
        rows.add_column(name, justify="left" if name == "residues" else "right")
    sampled = report.sampled
    for own, (segment, name) in enumerate(zip(report.segments.segments, report.segments.names, strict=True)):
        rows.add_row(
            str(own + 1),
            name,
            " and ".join(f"{spread:.1f}" for spread in segment.spread),
            f"{sampled.turn[:, own].std():.1f}°",
            f"{np.sqrt((sampled.shift[:, own] ** 2).sum(1).mean()):.1f} Å",
        )
    if len(report.segments):
        console.print(rows)
    for line in report.lines:
        console.print(line)
    for name, values in report.distances.items():
        low, high = np.percentile(values, [5, 95])
        console.print(
            f"{name}: {values.mean():.1f} Å on average, {low:.1f} to {high:.1f} Å in 9 of 10 particles"
        )
    console.print(
        f"structures.png, ensemble and tables in {shown(report.folder)}; open structures.cxc in ChimeraX"
    )
