"""Particle weights by the name of a file or of a column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.columns import numbers
from trimorph.data.source_column import source_column
from trimorph.data.tables import ParticleTable

SUFFIXES = (".npy", ".txt")


def read_weights(name: str, table: ParticleTable) -> NDArray[np.float64]:
    """Weights >= 0, one a particle of the table.

    ``name`` is a .npy or .txt file with one number for each particle in use or for each row of the source,
    or a column of the particle file, as rlnMaxValueProbDistribution.

    Errors: FileNotFoundError; InputError where numbers are missing, negative, or neither of those counts.
    """
    path = Path(name)
    if path.suffix not in SUFFIXES:
        return _from_column(name, table)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: found no file; wanted the particles' weights. Check the path.")
    try:
        values = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, ndmin=1)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: found no numbers ({error}); wanted one weight a particle.") from error
    rows = int(table.row.max()) + 1
    if values.ndim != 1 or (len(values) != len(table) and len(values) < rows):
        raise InputError(
            f"{path}: found weights of shape {values.shape}; wanted one for each of the {len(table)} "
            f"particles in use, or for each row of {table.source.name}."
        )
    checked = numbers(values, source=path, column="weight", low=0.0)
    return checked if len(checked) == len(table) else checked[table.row]


def _from_column(name: str, table: ParticleTable) -> NDArray[np.float64]:
    instead = f", or a file of weights ({', '.join(SUFFIXES)})"
    values = source_column(table, name, wanted_for="the weights", instead=instead)
    return numbers(values, source=table.source, column=name, low=0.0)
