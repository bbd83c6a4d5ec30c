"""Chosen particles as files: star, .cs with .csg, or row numbers of the source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.data.cryodrgn import write_index
from trimorph.data.cryosparc import cs_rows, write_cs
from trimorph.data.cs_group import write_csg
from trimorph.data.star import write_star
from trimorph.data.star_export import refuse_dark
from trimorph.data.tables import ParticleTable

KINDS = (".star", ".cs", ".txt", ".npy", ".pkl")


def refuse_existing(outputs: Sequence[Path], *, overwrite: bool) -> None:
    """Raise where a file has an ending that cannot be written, or is there already.

    Errors: InputError, FileExistsError.
    """
    for path in outputs:
        if path.suffix.lower() not in KINDS:
            raise InputError(
                f'{path}: found the ending "{path.suffix}"; wanted {", ".join(KINDS[:-1])} or {KINDS[-1]}.'
            )
        beside = [path.with_suffix(".csg")] if path.suffix.lower() == ".cs" else []
        for file in (path, *beside):
            if file.exists() and not overwrite:
                raise FileExistsError(
                    f"{file}: the file exists already and was left as it is. Choose another name, or pass "
                    "--overwrite."
                )


def refuse_unwritable(table: ParticleTable, outputs: Sequence[Path]) -> None:
    """Raise InputError where a table cannot be written as one of the files, before any is."""
    for path in outputs:
        if path.suffix.lower() == ".cs":
            cs_rows(table, path)
        elif path.suffix.lower() == ".star" and table.columns.star is None:
            refuse_dark(table)


def write_selection(table: ParticleTable, path: Path, *, overwrite: bool) -> list[Path]:
    """Write the particles of a table as the path's ending says; all files that were written.

    Row numbers count the rows of the table's source from 0, each once: .txt with one a line, .npy, or .pkl as
    cryoDRGN's --ind reads it.
    """
    kind = path.suffix.lower()
    if kind == ".star":
        write_star(table, path, overwrite=overwrite)
    elif kind == ".cs":
        write_cs(table, path, overwrite=overwrite)
        return [
            path,
            write_csg(path, title=f"{len(table)} particles of {table.source.name}", overwrite=overwrite),
        ]
    elif kind == ".pkl":
        write_index(np.unique(table.row), path, overwrite=overwrite)
    elif kind == ".npy":
        with atomic_path(path, overwrite) as temporary, temporary.open("wb") as file:
            np.save(file, np.unique(table.row))
    else:
        with atomic_path(path, overwrite) as temporary:
            np.savetxt(temporary, np.unique(table.row), fmt="%d")
    return [path]
