"""Embedding: the latents of all particles, of a run or of another program's file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.run.given_latents import read_given
from trimorph.run.run import Run


@dataclass(frozen=True, eq=False)
class Embedding:
    """What analysis and read-out start from: a latent for every particle, in the order of the particles.

    All are finite. ``covariance`` is None where the source does not tell it; ``run`` and ``epoch`` are None
    for a file, and for a run say whose model belongs to the latents.
    """

    mean: Float[ndarray, "n d"]
    covariance: Float[ndarray, "n d d"] | None
    source: Path
    run: Run | None = None
    epoch: int | None = None

    def __len__(self) -> int:
        return len(self.mean)


def read_embedding(source: Path | str, *, epoch: int | None = None) -> Embedding:
    """Read the latents of a run's folder, or of a file: .npz, .npy, or cryoDRGN's z.pkl.

    Of a run that is still trained, they are of the last epoch that left both latents and a whole checkpoint.
    Errors: FileNotFoundError; InputError for latents that are not finite, or an epoch of a file; those of
    :func:`trimorph.run.given_latents.read_given`.
    """
    path = Path(source)
    if path.is_dir():
        return of_run(Run.open(path), epoch=epoch)
    if epoch is not None:
        raise InputError(f"{path}: found epoch {epoch} for a file; wanted one of a run. Leave --epoch out.")
    return Embedding(read_given(path), None, path)


def of_run(run: Run, *, epoch: int | None = None) -> Embedding:
    """The latents of a run after an epoch, or after the last that left both latents and a checkpoint."""
    told = run.last_whole_epoch() if epoch is None else epoch
    latents = run.latents(told)
    return Embedding(
        latents.mean.astype(np.float64), latents.covariance.astype(np.float64), run.path, run, told
    )
