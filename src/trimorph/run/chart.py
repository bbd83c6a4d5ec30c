"""The chart of a linear run: the few coordinates along which its particles differ, and where each lies.

Letters: n particles, k modes, c coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.methods.chart_length import by_length
from trimorph.methods.chart_start import expected_coordinates
from trimorph.methods.latent_chart import LatentChart, latent_chart
from trimorph.run.modes import Modes, read_modes
from trimorph.run.particle_csv import write_particle_csv
from trimorph.run.run import Run
from trimorph.training.latents import Latents

MOST = 3
"""Coordinates that are sought, at most; never more than there are modes."""

TOGETHER = 4000
"""Particles whose coordinates are found at once; memory is theirs times the landmarks."""


@dataclass(frozen=True, eq=False)
class Chart:
    """What is expected of every particle's coordinates, in the order of training.

    ``coordinate`` and its standard deviation ``deviation``, at least 0.05: the landmarks, particles that are
    seen best, have mean 0 and standard deviation 1 before noise is allowed for. ``index`` are the particles'
    numbers, ``unexplained`` the share of the latents' variance that the coordinates do not predict. Without
    coordinates, nothing was found to follow.
    """

    index: Int[ndarray, " n"]
    coordinate: Float[ndarray, "n c"]
    deviation: Float[ndarray, "n c"]
    unexplained: float

    @property
    def count(self) -> int:
        """Number of coordinates."""
        return self.coordinate.shape[1]

    @property
    def summary(self) -> str:
        """One line: how many coordinates there are, and what they leave."""
        if not self.count:
            return "chart: no coordinate was found along which particles differ"
        noun = "coordinate predicts" if self.count == 1 else "coordinates predict"
        return f"chart: {self.count} {noun} {100 * (1 - self.unexplained):.0f} % of the latents' variance"


def read_chart(run: Run | Path | str) -> Chart:
    """Coordinates of all particles of a finished run of the method `linear`; none where no mode is real.

    Errors: those of :func:`trimorph.run.modes.read_modes`.
    """
    opened = run if isinstance(run, Run) else Run.open(run)
    modes, latents = read_modes(opened), opened.latents()
    nothing = np.zeros((len(latents.index), 0), np.float32)
    if not modes.real.any():
        return Chart(latents.index, nothing, nothing, 1.0)
    found = by_length(latent_chart(latents.mean, latents.covariance, most=MOST), latents.mean)
    if not found.coordinate.shape[1]:
        return Chart(latents.index, nothing, nothing, 1.0)
    coordinate, deviation = _of_all(found, latents, modes)
    return Chart(latents.index, coordinate, deviation, found.unexplained)


def write_chart(path: Path, chart: Chart, run: Run) -> None:
    """Write a row a particle: its number, its coordinates, and their standard deviations."""
    numbers = range(1, chart.count + 1)
    columns = {f"coordinate_{i}": chart.coordinate[:, i - 1] for i in numbers}
    columns |= {f"sd_{i}": chart.deviation[:, i - 1] for i in numbers}
    write_particle_csv(path, chart.index, columns, symmetry=run.recipe.data.symmetry)


def _of_all(
    chart: LatentChart, latents: Latents, modes: Modes
) -> tuple[Float[ndarray, "n c"], Float[ndarray, "n c"]]:
    """A few particles at a time, the chart's own beside them, as it is drawn among these."""
    unit = torch.as_tensor(1 / modes.deviation, dtype=torch.float32)
    mean, covariance = torch.as_tensor(latents.mean), torch.as_tensor(latents.covariance)
    own = torch.as_tensor(chart.landmark)
    beside = replace(chart, landmark=np.arange(len(own)))
    found = [
        expected_coordinates(
            beside,
            unit * torch.cat([mean[own], some]),
            unit[:, None] * unit * torch.cat([covariance[own], told]),
        )
        for some, told in zip(mean.split(TOGETHER), covariance.split(TOGETHER), strict=True)
    ]
    coordinate, variance = (
        torch.cat([part[len(own) :] for part in parts]) for parts in zip(*found, strict=True)
    )
    return coordinate.numpy(), variance.sqrt().numpy()
