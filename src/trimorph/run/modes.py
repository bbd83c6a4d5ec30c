"""What a run of the method `linear` found: its modes, and how real they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.methods.linear import Linear
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
    judged = int(method.judged)
    return Modes(
        variance=variance,
        gain=method.gain[:judged].double().numpy(),
        gain_error=method.gain_error[:judged].double().numpy(),
        cosine=method.cosine[:judged].double().numpy(),
        real=method.real_modes[:judged].numpy(),
        mean_power=power,
        resolution=float(method.stages[-1].resolution or 2 * method.disk.pixel_size),
        verdict=method.verdict,
    )


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
