"""`trimorph validate RUN`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from trimorph.cli.shown_path import shown
from trimorph.evaluation.validate_settings import ValidationSettings

if TYPE_CHECKING:
    from trimorph.evaluation.validate import Validation


def command(
    run: Annotated[Path, tyro.conf.Positional],
    settings: Annotated[ValidationSettings, tyro.conf.arg(name="")],
    *,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    epoch: int | None = None,
) -> None:
    """Is it real? A verdict for each mode of motion, with its size, p, and what could have been seen.

    Half sets are trained apart and shown each other's particles; the same is asked of images in which nothing
    differs. docs/validation.md says how, and what it cannot tell.

    trimorph validate run --no-retrain

    trimorph validate run --region 120,96,80,25

    Args:
        run: Folder of a run of any method, with latents.
        settings: What is done.
        output: New folder for what is written; analysis/validation in the run by default. Half sets that were
            trained stay in analysis/validation_halves in the run.
        epoch: Use the model after this epoch; the latest by default.
    """
    from trimorph.cli.parts import parts
    from trimorph.cli.training_display import TrainingDisplay
    from trimorph.evaluation.validate import plan_validation, validate

    for line in plan_validation(run, settings):
        print(line, flush=True)
    try:
        with parts() as tell, TrainingDisplay() as display:
            found = validate(run, settings, output=output, epoch=epoch, observer=display, progress=tell)
    except KeyboardInterrupt:
        print("\nnothing was written but half sets; the same command goes on with them", file=sys.stderr)
        raise
    show_modes(found)
    for line in found.lines:
        print(line)
    print(f"verdict.json, validation.txt, validation.png and tables in {shown(found.folder)}")


def show_modes(found: Validation) -> None:
    """Print a row a mode."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    names = ("mode", "real", "p, Holm", "z", "pixels", "of the mean", "half sets", "component")
    for name in names:
        table.add_column(name, justify="left" if name == "mode" else "right")
    for mode in found.modes:
        table.add_row(
            f"{mode.source} {mode.number}",
            "yes" if mode.real else "not shown",
            f"{mode.p_holm:.2g}",
            f"{mode.z:.1f}",
            f"{mode.correlation:.2f}",
            f"{100 * mode.share_of_mean:.2g} %",
            f"{mode.agreement:.2f}",
            f"{mode.component} ({mode.component_correlation:.2f})",
        )
    Console(highlight=False, markup=False, soft_wrap=True).print(table)
