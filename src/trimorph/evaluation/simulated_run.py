"""Latents and maps of simulated particles against the truth that the simulator wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.data.angles import circular_correlation
from trimorph.data.mrc import read_map
from trimorph.data.truth import Truth
from trimorph.evaluation.circular import latent_angle, neighbour_angle_correlation
from trimorph.evaluation.recovery import (
    cluster_accuracy,
    latent_correlation,
    mean_fsc,
    neighbour_correlation,
)
from trimorph.run.run import Run


@dataclass(frozen=True)
class Recovery:
    """Scores on simulated particles.

    ``correlation`` is |Spearman| of a principal component of the latents with the reaction coordinate,
    ``neighbour_correlation`` that of the coordinate's prediction from neighbours in the latent space, which a
    curved path does not lower; for angles all round a circle both are circular correlations. ``accuracy`` is
    that of k-means against the states where there are at most ten (else None), ``fsc`` the per-image FSC
    averaged over shells and images. ``ceiling`` and ``accuracy_ceiling`` are what an observer reaches who
    knows all but the state, where the truth has it.
    """

    correlation: float
    neighbour_correlation: float
    accuracy: float | None
    fsc: float
    ceiling: float | None
    accuracy_ceiling: float | None


def score_run(
    run: Run, truth: Truth, states: Path, *, images: int = 20, epoch: int | None = None
) -> Recovery:
    """Score a run that used all simulated particles in order, after an epoch or at its end."""
    z = run.latents(epoch).mean
    return score(z, lambda latent: run.volume(latent, epoch=epoch), truth, states, images=images)


def score(
    z: Float[ndarray, "n d"],
    volume: Callable[[Float[ndarray, " d"]], Float[ndarray, "box box box"]],
    truth: Truth,
    states: Path,
    *,
    images: int = 20,
) -> Recovery:
    """Score latents and the maps decoded from them, of any program.

    ``states`` is the folder of the states' maps. Maps are decoded at the latents of ``images`` particles
    spread over the data and compared each with the map that its particle was made of.
    """
    maps = sorted(states.glob("*.mrc"))
    curves = []
    for particle in np.linspace(0, len(truth) - 1, images).astype(int):
        true, _, _ = read_map(maps[truth.state[particle]])
        curves.append(mean_fsc(volume(z[particle])[None], true[None]))
    if truth.circular:
        correlation = abs(circular_correlation(latent_angle(z, truth.coordinate), truth.coordinate))
        neighbours = neighbour_angle_correlation(z, truth.coordinate)
    else:
        correlation = latent_correlation(z, truth.coordinate)
        neighbours = neighbour_correlation(z, truth.coordinate)
    return Recovery(
        correlation=correlation,
        neighbour_correlation=neighbours,
        accuracy=cluster_accuracy(z, truth.state) if truth.few_states else None,
        fsc=float(np.mean(curves)),
        ceiling=truth.ceiling,
        accuracy_ceiling=truth.accuracy_ceiling if truth.few_states else None,
    )
