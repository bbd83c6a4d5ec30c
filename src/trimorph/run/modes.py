"""What a run of the method `linear` found: its modes as maps, tables and a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.mrc import write_map
from trimorph.methods.linear import Linear
from trimorph.run.modes_figure import draw_modes
from trimorph.run.modes_tables import write_modes_csv, write_modes_json, write_modes_scripts
from trimorph.run.new_folder import new_folder
from trimorph.run.run import Run
from trimorph.training.checkpoint import load_checkpoint


@dataclass(frozen=True, eq=False)
class Modes:
    """The modes of a linear run, the one of largest variance first.

    Of the k modes that are kept: ``variance`` of the latent z, in density^2 summed over the voxels of the
    modes' grid. Of all that were tried: ``gain``, the log-likelihood an image that a mode of one half set
    adds for images of the other, its standard error ``gain_error``, ``cosine`` of the angles between
    the half sets' modes, and whether the mode is ``real``. ``mean_power`` is that of the mean map inside the
    mask on the same grid, ``resolution`` that of the modes in Å.
    """

    variance: Float[ndarray, " k"]
    gain: Float[ndarray, " t"]
    gain_error: Float[ndarray, " t"]
    cosine: Float[ndarray, " t"]
    real: Bool[ndarray, " t"]
    mean_power: float
    resolution: float
    verdict: str

    def __len__(self) -> int:
        return len(self.variance)

    @property
    def deviation(self) -> Float[ndarray, " k"]:
        """Standard deviations of the latents."""
        return np.sqrt(self.variance)

    @property
    def share(self) -> Float[ndarray, " k"]:
        """Variance of each mode over that of all that are kept."""
        return self.variance / self.variance.sum()

    @property
    def share_of_mean(self) -> Float[ndarray, " k"]:
        """Variance of each mode over the power of the mean map."""
        return self.variance / self.mean_power


def read_modes(run: Run) -> Modes:
    """What a finished run of the method `linear` found.

    Errors: InputError for a run of another method, or one that is not finished.
    """
    method = _linear(run)
    with torch.no_grad():
        variance = method.densities().double().square().sum((1, 2, 3)).numpy()
        power = float(method.frame.mean.double().square().sum())
    return Modes(
        variance=variance,
        gain=method.gain.double().numpy(),
        gain_error=method.gain_error.double().numpy(),
        cosine=method.cosine.double().numpy(),
        real=method.real_modes.numpy(),
        mean_power=power,
        resolution=float(method.stages[-1].resolution or 2 * method.disk.pixel_size),
        verdict=method.verdict,
    )


def write_modes(
    run: Path | str,
    *,
    output: Path | None = None,
    steps: int = 5,
    reach: float = 2.0,
    along: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Modes, Path]:
    """Write the modes of a linear run to a new folder, by default analysis/modes in the run.

    mean.mrc; mode_01.mrc ..., the change of density for one standard deviation of the latent;
    mode_01_step_1.mrc ..., ``steps`` maps from -``reach`` to +``reach`` standard deviations, for the first
    ``along`` modes, by default as many as are real but at least one; modes.csv, modes.json, modes.png; and
    for ChimeraX modes.cxc, mode_01.cxc ....

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
    with new_folder(target, holds="modes") as folder:
        _write_maps(folder, opened, modes, along=along, at=at, progress=progress)
        write_modes_csv(folder / "modes.csv", modes)
        write_modes_json(folder / "modes.json", modes, at=at)
        draw_modes(
            folder / "modes.png",
            modes,
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


def _linear(run: Run) -> Linear:
    if run.recipe.method != "linear":
        inner = run.path / "linear"
        if (inner / "recipe.toml").is_file():
            advice = f"See those that it began with by: trimorph modes {inner}"
        else:
            advice = "Make one with: trimorph train linear PARTICLES -o RUN"
        raise InputError(
            f'{run.path}: found a run of the method "{run.recipe.method}"; wanted one of "linear", which '
            f"alone has modes. {advice}"
        )
    method = cast(Linear, run.method())
    done = int(load_checkpoint(run.checkpoint())["position"]["epoch"])
    wanted = sum(stage.epochs for stage in method.stages)
    if done < wanted:
        raise InputError(
            f"{run.path}: found a run that was stopped after {done} of {wanted} epochs; wanted a finished "
            f"one, as modes are settled at the end. Go on with: trimorph resume {run.path}"
        )
    return method
