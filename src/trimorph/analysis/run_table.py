"""The particle table of a run, as its file says today."""

from __future__ import annotations

from trimorph.core.errors import InputError
from trimorph.data.open import open_table
from trimorph.data.tables import ParticleTable
from trimorph.run.run import Run


def table_of(run: Run, count: int, *, box: int | None = None) -> ParticleTable:
    """The particles of a run, without their images, of which there have to be ``count``.

    Errors: InputError where there are others than in training; those of reading.
    """
    table = open_table(run.recipe.data, need_images=False, box=box)
    if len(table) != count:
        raise InputError(
            f"{table.source}: found {len(table)} particles; wanted {count}, as the run has. Was the file "
            "changed after training?"
        )
    return table
