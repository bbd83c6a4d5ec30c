"""A run on simulated particles against the truth that the simulator wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trimorph.data.mrc import read_map
from trimorph.data.truth import Truth
from trimorph.evaluation.recovery import cluster_accuracy, latent_correlation, mean_fsc
from trimorph.run.run import Run


@dataclass(frozen=True)
class Recovery:
    """Scores of a run on simulated particles.

    ``correlation`` is |Spearman| of the latents with the reaction coordinate, ``accuracy`` that of k-means
    against the states where there are at most ten, ``fsc`` the per-image FSC averaged over shells.
    """

    correlation: float
    accuracy: float | None
    fsc: float


def score_run(
    run: Run, truth: Truth, states: Path, *, images: int = 20, epoch: int | None = None
) -> Recovery:
    """Compare latents and maps of a run that used all simulated particles in order.

    ``states`` is the folder of the states' maps. Maps are decoded at the latents of ``images`` particles
    spread over the data and compared each with the map that the particle was made of.
    """
    z = run.latents(epoch).mean
    few = len(truth.state_names) <= 10
    chosen = np.linspace(0, len(truth) - 1, images).astype(int)
    maps = sorted(states.glob("*.mrc"))
    true = np.stack([read_map(maps[state])[0] for state in truth.state[chosen]])
    return Recovery(
        correlation=latent_correlation(z, truth.coordinate),
        accuracy=cluster_accuracy(z, truth.state) if few else None,
        fsc=float(
            np.mean(
                [
                    mean_fsc(run.volume(z[i : i + 1], epoch=epoch), true[n : n + 1])
                    for n, i in enumerate(chosen)
                ]
            )
        ),
    )
