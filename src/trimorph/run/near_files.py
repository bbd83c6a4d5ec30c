"""What is written of maps around latents: a folder each, a table of all and a ChimeraX script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trimorph.data.atomic import atomic_path
from trimorph.reconstruction.figure import new_figure, resolution_axis, save_figure
from trimorph.reconstruction.write import MAPS, refuse_existing
from trimorph.run.plain_table import write_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trimorph.run.near import NearState

ALL = "all"
"""Folder of the map of all particles."""


def folder_name(number: int) -> str:
    """Folder of a state, numbered from 1.

    >>> folder_name(3)
    'state_03'
    """
    return f"state_{number:02d}"


def refuse_existing_states(folder: Path, count: int, *, overwrite: bool) -> None:
    """Raise where maps lie in one of the folders already, or would stay beside those of fewer states.

    Errors: FileExistsError; InputError.
    """
    names = [ALL, *(folder_name(number) for number in range(1, count + 1))]
    for name in names:
        refuse_existing(folder / name, overwrite=overwrite)
    older = sorted(path.name for path in folder.glob("state_*") if path.name not in names)
    if older:
        raise FileExistsError(
            f"{folder}: found {', '.join(older)} of a read-out of more states; wanted none of these, as "
            f"they would stay beside {count} new. Remove them, or choose another folder with -o."
        )


def write_near(states: Sequence[NearState], folder: Path, **options: Any) -> None:
    """Write a folder for each state and for all particles, states.csv and near.cxc.

    Beside the files of any reconstruction, a state's folder has bandwidth.csv and bandwidth.png: what was
    chosen on each shell. ``options`` are those of :func:`write_reconstruction`.   Errors: FileExistsError.
    """
    overwrite = bool(options.get("overwrite"))
    refuse_existing_states(folder, len(states), overwrite=overwrite)
    states[0].everyone.write(folder / ALL, **options)
    for number, state in enumerate(states, start=1):
        own = folder / folder_name(number)
        state.reconstruction.write(own, **options)
        write_table(own / "bandwidth.csv", bandwidth_rows(state), overwrite=overwrite)
        draw_bandwidth(own / "bandwidth.png", state, overwrite=overwrite)
    write_table(folder / "states.csv", state_rows(states), overwrite=overwrite)
    _write_script(folder / "near.cxc", len(states), overwrite=overwrite)


def state_rows(states: Sequence[NearState]) -> list[dict[str, Any]]:
    """A row a state: how many particles, to what resolution, and where in latent space."""
    rows = []
    for number, state in enumerate(states, start=1):
        curves, local = state.reconstruction.curves, state.local
        rows.append(
            {
                "state": folder_name(number),
                "particles": int((state.reconstruction.half > 0).sum()),
                "effective": state.effective,
                "fewest": int(local.number.min()),
                "resolution_0.143": curves.resolution(0.143),
                "resolution_0.5": curves.resolution(0.5),
                **{f"z{index}": float(value) for index, value in enumerate(state.z, start=1)},
            }
        )
    return rows


def bandwidth_rows(state: NearState) -> list[dict[str, Any]]:
    """A row a shell: the bandwidth, particles within it, and how many of equal weight are as good."""
    local, curves = state.local, state.reconstruction.curves
    return [
        {
            "shell": shell,
            "frequency": float(frequency),
            "resolution": 1 / float(frequency) if shell else float("inf"),
            "bandwidth": float(local.bandwidth[shell]),
            "particles": int(local.number[shell]),
            "effective": float(local.effective[shell]),
        }
        for shell, frequency in enumerate(curves.frequency)
    ]


def draw_bandwidth(path: Path, state: NearState, *, overwrite: bool = False) -> None:
    """Write a PNG of the particles within the bandwidth on each shell, above the FSC of the half maps."""
    figure = new_figure(6.4, 5.0)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    curves, local = state.reconstruction.curves, state.local
    frequency, rungs = curves.frequency, local.ladder.number
    above.step(
        frequency[1:],
        local.number[1:],
        where="mid",
        color="#1b4f9c",
        linewidth=2.0,
        label="within the bandwidth",
    )
    above.plot(frequency[1:], local.effective[1:], color="#c44e3b", linewidth=1.2, label="effective number")
    for number in rungs:
        above.axhline(number, color="grey", linewidth=0.5, linestyle=":", zorder=1)
    above.set(yscale="log", ylabel="particles", xlim=(0, float(frequency[-1])))
    above.set_ylim(0.7 * min(rungs.min(), local.effective.min()), 1.4 * rungs.max())
    above.legend(frameon=False, loc="lower right", fontsize=9)
    above.set_title("z = " + _numbers(state.z), fontsize=10)
    resolution_axis(above, float(frequency[-1]))
    _curves(below, state)
    save_figure(figure, path, overwrite)


def _curves(axes: Axes, state: NearState) -> None:
    """FSC of the half maps around the latent, and of all particles."""
    for found, name, colour in (
        (state.reconstruction, "around z", "#1b4f9c"),
        (state.everyone, "all particles", "#b8b8b8"),
    ):
        axes.plot(found.curves.frequency, found.curves.best, color=colour, label=name)
    axes.axhline(0.143, color="grey", linewidth=0.7, linestyle=":")
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set(ylim=(-0.1, 1.05), xlabel="spatial frequency (1/Å)", ylabel="FSC of half maps")
    axes.legend(frameon=False, fontsize=9)


def _numbers(z: np.ndarray) -> str:
    return ", ".join(f"{value:.3g}" for value in z)


def _write_script(path: Path, count: int, *, overwrite: bool) -> None:
    """A ChimeraX script that opens the maps of the states as one series."""
    maps = [f"{folder_name(number)}/{MAPS['map']}" for number in range(1, count + 1)]
    lines = [f"open {' '.join(maps)}{' vseries true' if count > 1 else ''}", "volume #1 sdLevel 4 step 1"]
    if count > 1:
        lines.append("vseries play #1 loop true direction oscillate")
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
