"""`trimorph motion RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from trimorph.cli.shown_path import shown

if TYPE_CHECKING:
    from trimorph.run.motion import MotionReport


def command(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    from_z: str | None = None,
    to_z: str | None = None,
    particles: tuple[int, int] | None = None,
    component: int | None = None,
    inside: Path | None = None,
    around: tuple[float, float, float, float] | None = None,
    amplitudes: bool = False,
    epoch: int | None = None,
) -> None:
    """Write how the Gaussians of a run move between two states: table, arrows, points, maps, picture.

    trimorph motion run

    trimorph motion run --particles 12 345

    trimorph motion run --inside mask.mrc

    Args:
        run: Folder of a run of the method gaussians.
        output: New folder for what is written; analysis/motion_... in the run by default.
        from_z: Latent of the start, components parted by commas ("0,1").
        to_z: Latent of the end.
        particles: Numbers of two particles, from 0: from the latent of one to that of the other.
        component: Principal component, from 1: from its 5th to its 95th percentile; the first by default.
        inside: Mask (MRC, the images' box in Å): directions along which most of the motion is inside.
        around: The same for a sphere: x, y, z and radius in Å, counted from the map's first voxel.
        amplitudes: With a region, count changes of amplitude as motion, too.
        epoch: Use the model after this epoch; the latest by default.
    """
    from trimorph.cli.progress import bar
    from trimorph.run.motion import write_motion

    with bar("Directions") as tell:
        report = write_motion(
            run,
            output=output,
            from_z=from_z,
            to_z=to_z,
            particles=particles,
            component=component,
            inside=inside,
            around=around,
            amplitudes=amplitudes,
            epoch=epoch,
            progress=tell,
        )
    show_motion(report)


def show_motion(report: MotionReport) -> None:
    """Print what moves along the principal components, and along what was asked for."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    def table(*names: str) -> Table:
        made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for name in names:
            made.add_column(name, justify="right")
        return made

    console = Console(highlight=False, markup=False, soft_wrap=True)
    rows = table("principal component", "rms displacement", "longest", "amplitudes change by")
    for number, motion in enumerate(report.components, start=1):
        rows.add_row(
            str(number),
            f"{motion.rms():.2f} Å",
            f"{motion.length.max():.2f} Å",
            f"{100 * motion.amplitude_change:.1f} %",
        )
    console.print(rows)
    if report.share is None or report.inside is None:
        motion = report.motions[0]
        console.print(f"written: {motion.rms():.2f} Å rms, {motion.length.max():.2f} Å at most")
        console.print(f"motion.csv, maps, motion.png in {shown(report.folder)}; open motion.cxc in ChimeraX")
        return
    count = int((report.inside > 0.5).sum())
    console.print(f"{count} of {len(report.inside)} Gaussians are inside")
    rows = table("direction", "motion inside", "rms inside", "rms outside")
    for number, (motion, share) in enumerate(zip(report.motions, report.share, strict=True), start=1):
        rms = [f"{motion.rms(part):.2f} Å" for part in (report.inside, 1 - report.inside)]
        rows.add_row(str(number), f"{100 * share:.1f} %", *rms)
    console.print(rows)
    console.print(f"directions.csv and a folder a direction in {shown(report.folder)}; open their motion.cxc")
