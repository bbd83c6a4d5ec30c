"""Tables of an analysis, and the script that shows its maps in ChimeraX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trimorph.analysis.analysis import StateFiles, Traversal
from trimorph.analysis.particle_columns import Columns
from trimorph.analysis.report_tiles import colour_of
from trimorph.analysis.states import States
from trimorph.data.atomic import atomic_path
from trimorph.data.mrc import read_map
from trimorph.run.plain_table import write_lines, write_table
from trimorph.run.volumes import CONTOUR


def write_particles(folder: Path, columns: Columns, *, parquet: bool) -> None:
    """Write particles.csv, a row a particle by its number among those in use, and particles.parquet if asked.

    Numbers have six figures in the csv, and all in the parquet.
    """
    from pandas import DataFrame

    count = len(next(iter(columns.values())))
    table = DataFrame({"particle": np.arange(count), **columns})
    with atomic_path(folder / "particles.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    if parquet:
        with atomic_path(folder / "particles.parquet") as temporary:
            table.to_parquet(temporary, index=False)


def write_states_table(path: Path, files: Sequence[StateFiles], states: States) -> None:
    """Write a row a state: particles, maps, resolution in Å, and the latent of its centre."""
    rows = []
    for one, centre, z in zip(files, states.centre.tolist(), states.z, strict=True):
        known = {"effective": one.effective, "resolution": one.resolution, "agreement": one.agreement}
        rows.append(
            {
                "state": one.number,
                "particles": one.particles,
                "share": one.share,
                "centre": centre,
                "map": one.map,
                **({} if one.structure is None else {"structure": one.structure}),
                **({} if one.own is None else {"own": one.own}),
                **{name: value for name, value in known.items() if value is not None},
                **{f"z{number + 1}": float(value) for number, value in enumerate(z)},
            }
        )
    write_table(path, rows)


def write_script(
    path: Path, folder: Path, files: Sequence[StateFiles], traversals: Sequence[Traversal]
) -> None:
    """Write a script that opens the model's maps of the states as a series, and the own maps as another.

    Atoms are opened with them; what lies along components is named, to be opened by hand.
    """
    series = [("the model's maps of the states", [one.map for one in files])]
    owned = [one.own for one in files if one.own is not None]
    if owned:
        series.append(("the particles' own maps, in the same order", owned))
    lines = [f"# {len(files)} states; move the sliders to go from one to the next"]
    for model, (what, maps) in enumerate(series, start=1):
        several, colour = len(maps) > 1, "#b0b0b0" if model == 1 else "#7fb0e6"
        lines += [
            f"# {what}: #{model}",
            f"open {' '.join(one.as_posix() for one in maps)}{' vseries true' if several else ''}",
            f"volume #{model} level {_level(folder, maps):.4g} step 1 color {colour}",
            *([f"vseries slider #{model}"] if several else []),
        ]
    atoms = [one for one in files if one.structure is not None]
    if atoms:
        lines.append(f"# atoms of the states: #{len(series) + 1} and on")
        lines.append("volume #1 transparency 0.7")
        for model, one in enumerate(atoms, start=len(series) + 1):
            lines += [f"open {one.structure}", f"color #{model} {colour_of(one.number - 1)}"]
        lines += ["hide atoms", "cartoon"]
    if len(series) > 1:
        lines += ["# side by side instead of one on the other:", "#   tile #1,2"]
    for way in traversals:
        scripts = sorted(one.name for one in (folder / way.name).glob("*.cxc"))
        lines += [f"# along {way.name}:", *(f"#   open {way.name}/{script}" for script in scripts)]
    write_lines(path, lines)


def _level(folder: Path, maps: Sequence[Path]) -> float:
    """One level for maps of a series: so many standard deviations above the mean, averaged over them."""
    values = [read_map(folder / one).values for one in maps]
    return float(np.mean([one.mean() + CONTOUR * one.std() for one in values]))
