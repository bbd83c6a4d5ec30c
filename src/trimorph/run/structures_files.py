"""Files of moved structures: ensemble and maps, tables, and what ChimeraX needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trimorph.data.mrc import write_map
from trimorph.run.choose_latents import write_latents_table
from trimorph.run.run import Run
from trimorph.run.structures_chimerax import (
    DISPLACEMENT,
    FLUCTUATION,
    SEGMENT,
    write_attributes,
    write_hinges,
    write_script,
)
from trimorph.run.structures_found import Found
from trimorph.run.structures_tables import write_quality, write_residues, write_segments, write_states


def state_maps(count: int) -> list[str]:
    """Names of the maps of so many states."""
    return [f"state_{number:02d}.mrc" for number in range(1, count + 1)]


def write_state_maps(
    folder: Path, run: Run, found: Found, *, epoch: int | None, tell: Callable[[int], None]
) -> None:
    """Write a map of each state in the frame of the ensemble, and the table of the latents."""
    disk, maps = run.method(epoch).disk, state_maps(len(found.places))
    origin = found.structure.corner(disk.box, disk.pixel_size)
    for name, latent in zip(maps, found.chosen.z, strict=True):
        write_map(folder / name, run.volume(latent, epoch=epoch), disk.pixel_size, origin=origin)
        tell(1)
    write_latents_table(folder / "z_values.csv", maps, found.chosen)


def write_ensemble(folder: Path, found: Found) -> tuple[str, ...]:
    """Write all atoms of all states as mmCIF, and as PDB where they fit; else a line says what does not."""
    structure, z = found.structure, found.chosen.z
    atoms, occupancy = structure.move_atoms(z), structure.occupancy(z)
    template = structure.template
    template.write(folder / "ensemble.cif", list(atoms), occupancies=list(occupancy))
    wide = template.too_wide_for_pdb(list(atoms))
    if wide:
        return (f"no ensemble.pdb, as the columns of a PDB file cannot hold {wide}: ensemble.cif has all",)
    template.write(folder / "ensemble.pdb", list(atoms), occupancies=list(occupancy))
    return ()


def write_tables(folder: Path, found: Found) -> None:
    """Write residues.csv, quality.csv and, where there are segments, segments.csv and states.csv."""
    residues, sample = found.structure.residues, found.sample
    if len(found.named):
        write_segments(folder / "segments.csv", found.named, residues, sample.screws, sample.main)
        write_states(folder / "states.csv", found.screws, found.named)
    write_residues(
        folder / "residues.csv",
        residues,
        segment=found.segment,
        share=found.share.max(1, initial=0.0),
        displacement=found.displacement,
        fluctuation=sample.fluctuation,
    )
    write_quality(folder / "quality.csv", found.quality, sample.quality, sample.particle)


def write_for_chimerax(folder: Path, found: Found) -> None:
    """Write structures.cxc and the attributes of residues that it opens."""
    residues, away, fluctuation = found.structure.residues, found.displacement, found.sample.fluctuation
    write_attributes(folder / "segments.defattr", residues, {SEGMENT: found.segment})
    write_attributes(
        folder / "displacement.defattr", residues, {DISPLACEMENT: away, FLUCTUATION: fluctuation}
    )
    write_script(
        folder / "structures.cxc",
        maps=state_maps(len(found.places)),
        segments=len(found.named),
        hinges=write_hinges(folder / "hinges.bild", found.screws),
        displacement=away,
        fluctuation=fluctuation,
    )
