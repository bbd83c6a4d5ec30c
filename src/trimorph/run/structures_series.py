"""A series of structures at chosen latents, with their maps, for any folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trimorph.run.choose_latents import Chosen
from trimorph.run.run import Run
from trimorph.run.structures_files import (
    state_maps,
    write_ensemble,
    write_for_chimerax,
    write_state_maps,
    write_tables,
)
from trimorph.run.structures_found import Found
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_sample import Sample

RANDOM = 200
"""Random particles whose structures are measured beside those of the series."""


def write_structure_series(
    folder: Path,
    run: Run,
    chosen: Chosen,
    *,
    epoch: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[str], tuple[str, ...]]:
    """Write ensemble, maps, tables and structures.cxc to a folder; names of the maps, and what is to be said.

    docs/structures.md says what the files hold; those with a row a particle are left out.
    Errors: InputError for a run that moves no structure; FileExistsError.
    """
    structure, latents = MovingStructure.of(run, epoch), run.latents(epoch)
    total, done = min(RANDOM, len(latents)) + len(chosen.z), 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    found = Found.of(structure, chosen, Sample.of(structure, latents, count=RANDOM, tell=tell))
    write_state_maps(folder, run, found, epoch=epoch, tell=tell)
    notes = write_ensemble(folder, found)
    write_tables(folder, found)
    write_for_chimerax(folder, found)
    return state_maps(len(chosen.z)), found.verdicts + notes
