"""The latents of a run as a table for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.data.cryodrgn import write_latents as write_pickle
from trimorph.run.encode import encode
from trimorph.run.particle_csv import write_particle_csv
from trimorph.run.run import Run


def write_latents(
    run: Path | str,
    path: Path | str,
    *,
    of: Path | str | None = None,
    half: Literal[1, 2] | None = None,
    epoch: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the latents' means of a run, one row a particle in the order of training.

    With ``of`` or ``half`` those of other particles, in the order of their file: see
    :func:`trimorph.run.encode.encode`.

    The suffix says how: ``.csv`` (number of the particle, then z_1 ..., then their standard deviations),
    ``.npy`` (n, d), or ``.pkl``, which is cryoDRGN's ``z.N.pkl`` with means and log variances. Particles that
    were expanded by a symmetry have a row for each copy, next to each other, and the .csv the copy's number.
    Errors: InputError for another suffix; FileExistsError.
    """
    opened = Run.open(run)
    path, symmetry = Path(path), opened.recipe.data.symmetry
    own = of is None and half is None
    latents = opened.latents(epoch) if own else encode(run, of, half=half, epoch=epoch)
    variance = np.diagonal(latents.covariance, axis1=1, axis2=2)
    if path.suffix == ".pkl":
        log_variance = np.log(np.maximum(variance, 1e-12))
        write_pickle(latents.mean, path, log_variance=log_variance, overwrite=overwrite)
    elif path.suffix == ".npy":
        with atomic_path(path, overwrite=overwrite) as temporary, temporary.open("wb") as file:
            np.save(file, latents.mean)
    elif path.suffix == ".csv":
        components = range(1, latents.mean.shape[1] + 1)
        columns = {f"z_{i}": latents.mean[:, i - 1] for i in components}
        columns |= {f"sd_{i}": np.sqrt(variance[:, i - 1]) for i in components}
        write_particle_csv(path, latents.index, columns, symmetry=symmetry, overwrite=overwrite)
    else:
        raise InputError(
            f"{path}: found suffix {path.suffix or 'none'}; wanted .csv, .npy or .pkl (cryoDRGN)."
        )
    return path
