"""`trimorph bias RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from trimorph.cli.shown_path import shown

if TYPE_CHECKING:
    from trimorph.run.along import Along


def command(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    component: int = 1,
    resolution: float | None = None,
    epochs: int | None = None,
    perturbed: float | None = None,
    seed: int = 0,
    epoch: int | None = None,
) -> None:
    """Ask whether the motion of a structure is in the particles, or only in the structure.

    A density that never saw the structure is trained on the run's latents and compared with the moved
    structure, and the particles are back-projected along the motion. docs/bias.md says what this can tell.

    trimorph bias run

    trimorph bias run --perturbed 3

    Args:
        run: Folder of a run of the method segments.
        output: New folder for what is written; analysis/bias in the run by default. Runs that the check needs
            go to the folder of that name with _runs behind it, and are taken up there.
        component: Principal component of the latents, from 1, along which both are compared.
        resolution: Å to which they are compared; by default where the half maps fall below 0.5.
        epochs: Epochs of the density; as many as make 400 steps by default, 3 at least.
        perturbed: Train a second run of the same recipe from a structure that is bent by so many Å rms, and
            compare its motion with that of the first. It takes as long as the run itself.
        seed: Of how it is bent.
        epoch: Use the model after this epoch; the latest by default.
    """
    from trimorph.cli.progress import bar
    from trimorph.cli.training_display import TrainingDisplay
    from trimorph.run.bias import check_bias, train_for_check

    asked: dict[str, Any] = {"output": output, "epochs": epochs, "perturbed": perturbed, "seed": seed}
    with TrainingDisplay() as display:
        train_for_check(run, epoch=epoch, observer=display, **asked)
    with bar("Back-projecting") as tell:
        report = check_bias(
            run, component=component, resolution=resolution, epoch=epoch, progress=tell, **asked
        )
    show_along(report.along)
    for line in report.lines:
        print(line)
    print(f"bias.txt, bias.png, tables and maps in {shown(report.folder)}; open bias.cxc in ChimeraX")


def show_along(found: Along) -> None:
    """Print the resolution of each segment without and with its motion."""
    from math import isfinite

    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in (
        "segment",
        "FSC 0.5 ordinary",
        "along the motion",
        "FSC 0.143 ordinary",
        "along",
        "mean FSC",
    ):
        table.add_column(name, justify="left" if name == "segment" else "right")
    for row in found.rows():
        values = [row[key] for key in list(row)[1:5]]
        said = [f"{value:.1f} Å" if isfinite(value) else "none" for value in values]
        table.add_row(str(row["part"]), *said, f"{row['fsc_gain']:+.3f}")
    Console(highlight=False, markup=False, soft_wrap=True).print(table)
