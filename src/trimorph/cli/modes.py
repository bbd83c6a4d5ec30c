"""`trimorph modes RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from trimorph.cli.shown_path import shown

if TYPE_CHECKING:
    from trimorph.run.chart import Chart
    from trimorph.run.modes import Modes


def command(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    steps: int = 5,
    reach: float = 2.0,
    along: int | None = None,
) -> None:
    """Write what a linear run found: modes as maps, maps along each, tables, the chart, ChimeraX scripts.

    trimorph modes run

    trimorph modes run -o modes --steps 11 --reach 1.5

    Args:
        run: Folder of a run of the method linear.
        output: New folder for what is written; analysis/modes in the run by default.
        steps: Number of maps along a mode.
        reach: Standard deviations of the latent to either side of the mean that they reach.
        along: Write maps along so many modes, from the first; by default as many as are real, at least one.
    """
    from trimorph.cli.progress import bar
    from trimorph.run.chart import read_chart
    from trimorph.run.export_modes import write_modes

    chart = read_chart(run)
    with bar("Modes") as tell:
        modes, folder = write_modes(
            run, output=output, steps=steps, reach=reach, along=along, chart=chart, progress=tell
        )
    show_modes(modes, chart)
    files = ", ".join(["modes.csv", "modes.json", "modes.png", *(["chart.csv"] if chart.count else [])])
    print(f"maps, {files} in {shown(folder)}; open modes.cxc or mode_01.cxc in ChimeraX")


def show_modes(modes: Modes, chart: Chart) -> None:
    """Print a row a mode, the verdict, and what the chart says."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("mode", "variance", "of the mean's power", "held-out gain", "half sets", "real"):
        table.add_column(name, justify="right")
    for number in range(len(modes)):
        table.add_row(
            str(number + 1),
            f"{100 * modes.share[number]:.1f} %",
            f"{100 * modes.share_of_mean[number]:.1f} %",
            f"{modes.gain[number]:.3f} +- {modes.gain_error[number]:.3f}",
            f"{modes.cosine[number]:.2f}",
            "yes" if modes.real[number] else "no",
        )
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    console.print(modes.verdict)
    console.print(chart.summary)
