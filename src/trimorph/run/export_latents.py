"""The latents of a run as a table for other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trimorph.core.errors import InputError
from trimorph.core.symmetry import symmetry_order
from trimorph.data.atomic import atomic_path
from trimorph.data.cryodrgn import write_latents as write_pickle
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
    path, latents, order = Path(path), opened.latents(epoch), symmetry_order(opened.recipe.data.symmetry)
    variance = np.diagonal(latents.covariance, axis1=1, axis2=2)
    if path.suffix == ".pkl":
        log_variance = np.log(np.maximum(variance, 1e-12))
        write_pickle(latents.mean, path, log_variance=log_variance, overwrite=overwrite)
    elif path.suffix == ".npy":
        with atomic_path(path, overwrite=overwrite) as temporary, temporary.open("wb") as file:
            np.save(file, latents.mean)
    elif path.suffix == ".csv":
        components = range(1, latents.mean.shape[1] + 1)
        header = [
            "particle",
            *(["copy"] if order > 1 else []),
            *(f"z_{i}" for i in components),
            *(f"sd_{i}" for i in components),
        ]
        which = np.stack(np.divmod(latents.index, order), axis=1)[:, : 2 if order > 1 else 1]
        rows = np.column_stack([which, latents.mean, np.sqrt(variance)])
        with atomic_path(path, overwrite=overwrite) as temporary:
            form = ["%d"] * which.shape[1] + ["%.6g"] * (len(header) - which.shape[1])
            np.savetxt(temporary, rows, fmt=form, delimiter=",", header=",".join(header), comments="")
    else:
        raise InputError(
            f"{path}: found suffix {path.suffix or 'none'}; wanted .csv, .npy or .pkl (cryoDRGN)."
        )
    return path
