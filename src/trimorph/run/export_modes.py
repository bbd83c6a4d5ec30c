"""The modes of a linear run for other programs: maps, tables, a picture, ChimeraX scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.mrc import write_map
from trimorph.run.chart import Chart, read_chart, write_chart
from trimorph.run.modes import Modes, read_modes
from trimorph.run.modes_figure import draw_modes
from trimorph.run.modes_tables import write_modes_csv, write_modes_json, write_modes_scripts
from trimorph.run.new_folder import new_folder
from trimorph.run.run import Run


def write_modes(
    run: Path | str,
    *,
    output: Path | None = None,
    steps: int = 5,
    reach: float = 2.0,
    along: int | None = None,
    chart: Chart | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Modes, Path]:
    """Write the modes of a linear run to a new folder, by default analysis/modes in the run.

    mean.mrc; mode_01.mrc ..., the change of density for one standard deviation of the latent;
    mode_01_step_1.mrc ..., ``steps`` maps from -``reach`` to +``reach`` standard deviations, for the first
    ``along`` modes, by default as many as are real but at least one; modes.csv, modes.json, modes.png;
    chart.csv, where particles lie on ``chart``, which is that of :func:`trimorph.run.chart.read_chart` unless
    it is given; and for ChimeraX modes.cxc, mode_01.cxc ....

    Errors: those of :func:`read_modes`; InputError for wrong numbers; FileExistsError for a folder in use.
    """
    opened = Run.open(run)
    modes = read_modes(opened)
    along = max(int(modes.real.sum()), 1) if along is None else along
    for value, least, most, name in ((steps, 2, 999, "steps"), (along, 0, len(modes), "modes to walk along")):
        if not least <= value <= most:
            raise InputError(f"{opened.path}: found {value} {name}; wanted from {least} to {most}.")
    if not 0 < reach < np.inf:
        raise InputError(f"{opened.path}: found a reach of {reach}; wanted standard deviations above 0.")
    at = np.linspace(-reach, reach, steps)
    target = (output or opened.path / "analysis" / "modes").absolute()
    chart = chart or read_chart(opened)
    with new_folder(target, holds="modes") as folder:
        _write_maps(folder, opened, modes, along=along, at=at, progress=progress)
        write_modes_csv(folder / "modes.csv", modes)
        write_modes_json(folder / "modes.json", modes, at=at)
        if chart.count:
            write_chart(folder / "chart.csv", chart, opened)
        draw_modes(
            folder / "modes.png",
            modes,
            chart=chart,
            z=opened.latents().mean / modes.deviation,
            mean=opened.volume(np.zeros(len(modes))),
            change=lambda number: eigenvolume(opened, modes, number),
            pixel_size=opened.method().disk.pixel_size,
        )
    return modes, target


def eigenvolume(run: Run, modes: Modes, number: int) -> Float[ndarray, "d d d"]:
    """Change of density for one standard deviation of the latent of a mode (from 0), in the whole box."""
    z = np.zeros((2, len(modes)))
    z[0, number] = modes.deviation[number]
    density = run.volume(z)
    return density[0] - density[1]


def _write_maps(
    folder: Path,
    run: Run,
    modes: Modes,
    *,
    along: int,
    at: Float[ndarray, " s"],
    progress: Callable[[int, int], None] | None,
) -> None:
    pixel_size = run.method().disk.pixel_size
    mean = run.volume(np.zeros(len(modes)))
    write_map(folder / "mean.mrc", mean, pixel_size)
    level = []
    for number in range(len(modes)):
        name = f"mode_{number + 1:02d}"
        change = eigenvolume(run, modes, number)
        level.append(float(np.quantile(np.abs(change), 0.995)))
        write_map(folder / f"{name}.mrc", change, pixel_size)
        if number < along:
            for step, place in enumerate(at, start=1):
                density = (mean + place * change).astype(np.float32)
                write_map(folder / f"{name}_step_{step}.mrc", density, pixel_size)
        if progress is not None:
            progress(number + 1, len(modes))
    write_modes_scripts(folder, level=level, along=along, steps=len(at))
