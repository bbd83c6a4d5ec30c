"""The latents of a run as a table for other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.data.cryodrgn import write_latents as write_pickle
from trimorph.run.particle_csv import write_particle_csv
from trimorph.run.run import Run


def write_latents(
    run: Path | str, path: Path | str, *, epoch: int | None = None, overwrite: bool = False
) -> Path:
    """Write the latents' means of a run, one row a particle in the order of training.

    The suffix says how: ``.csv`` (number of the particle, then z_1 ..., then their standard deviations),
    ``.npy`` (n, d), or ``.pkl``, which is cryoDRGN's ``z.N.pkl`` with means and log variances. Particles that
    were expanded by a symmetry have a row for each copy, next to each other, and the .csv the copy's number.
    Errors: InputError for another suffix; FileExistsError.
    """
    opened = Run.open(run)
    path, latents, symmetry = Path(path), opened.latents(epoch), opened.recipe.data.symmetry
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
