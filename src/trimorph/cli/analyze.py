"""`trimorph analyze RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from trimorph.analysis.analysis_settings import AnalysisSettings
from trimorph.cli.shown_path import shown

if TYPE_CHECKING:
    from trimorph.analysis.analysis import Analysis

DEFAULTS = AnalysisSettings()


def command(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    settings: Annotated[AnalysisSettings, tyro.conf.arg(name="")] = DEFAULTS,
) -> None:
    """Find states of a run; write their maps, the particles' own beside them, tables, pictures, a report.

    trimorph analyze run

    trimorph analyze run --states mixture --umap --colours rlnAutopickFigureOfMerit

    Args:
        run: Folder of the run, of any method, also one that is still trained.
        settings: What to find, make and draw.
    """
    from trimorph.analysis.analyze import analyze
    from trimorph.cli.progress import bar

    with bar("Analysing") as tell:
        found = analyze(run, settings, progress=tell)
    show_analysis(found)


def show_analysis(found: Analysis) -> None:
    """Print the table of the states, what stood out, and where everything is."""
    from math import isfinite

    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, soft_wrap=True)
    own = any(one.own is not None for one in found.state_files)
    rows = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in (
        "state",
        "particles",
        "share",
        *(("effective", "own map to", "model to own") if own else ()),
    ):
        rows.add_column(name, justify="right")
    for one in found.state_files:
        limit = one.resolution
        rows.add_row(
            str(one.number),
            f"{one.particles:,}",
            f"{100 * one.share:.1f} %",
            *(
                [
                    f"{one.effective:,.0f}" if one.effective is not None else "",
                    f"{limit:.1f} Å" if limit is not None and isfinite(limit) else "none",
                    f"{one.agreement:.2f}" if one.agreement is not None else "",
                ]
                if own
                else []
            ),
        )
    console.print(rows)
    if own:
        console.print(
            "own map: the particles around the state's centre, back-projected without the model, and where "
            "the FSC of its half maps falls to 0.143; model to own: their mean FSC up to there"
        )
    for line in found.lines:
        console.print(line)
    console.print(f"epoch {found.embedding.epoch}; {shown(found.folder / 'report.html')}")
