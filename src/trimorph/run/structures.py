"""Structures of a run at chosen latents: ensembles of all atoms, with maps, tables, quality and a picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.run.choose_latents import Chosen, choose_latents
from trimorph.run.new_folder import new_folder
from trimorph.run.particle_csv import write_particle_csv
from trimorph.run.run import Run
from trimorph.run.structures_distances import Distance
from trimorph.run.structures_figure import draw_structures
from trimorph.run.structures_files import write_ensemble, write_for_chimerax, write_state_maps, write_tables
from trimorph.run.structures_found import Found
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_names import NamedSegments
from trimorph.run.structures_panels import Pictured
from trimorph.run.structures_particles import particle_distances, particle_screws, write_particles
from trimorph.run.structures_quality import Quality
from trimorph.run.structures_sample import Sample
from trimorph.run.structures_screws import Screws
from trimorph.training.latents import Latents


@dataclass(frozen=True, eq=False)
class StructuresReport:
    """What :func:`write_structures` found, and the folder where it is.

    ``segments`` are in the order of the tables, ``states`` is the quality of the written structures and
    ``random`` that at random particles, whose motions of segments are ``sampled``. ``distances`` (Å) are
    those in all particles by their names, and ``lines`` what is to be said to the user.
    """

    folder: Path
    segments: NamedSegments
    states: Quality
    random: Quality
    sampled: Screws
    distances: dict[str, Float[ndarray, " n"]]
    lines: tuple[str, ...]


def write_structures(
    run: Path | str,
    *,
    output: Path | None = None,
    z: str | None = None,
    z_file: Path | None = None,
    particles: str | None = None,
    kmeans: int | None = None,
    pc: int | None = None,
    points: int = 10,
    random: int = 200,
    distances: Sequence[str] = (),
    epoch: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> StructuresReport:
    """Write structures of a run at chosen latents to a new folder, with all that is to be known of them.

    Latents are chosen as in :func:`trimorph.write_volumes`, by default along the first principal component;
    ``output`` is by default analysis/structures_NAME in the run. ``random`` is the number of random particles
    whose structures are measured, and ``distances`` name pairs of groups, such as "A:118-160 to A:30-59".
    docs/structures.md says what is written.

    Errors: InputError for a run that moves no structure, a choice that is double or wrong, or another
    structure file than that of training; FileExistsError for a folder in use.
    """
    opened = Run.open(run)
    structure = MovingStructure.of(opened, epoch)
    groups = [Distance.parse(text, structure.residues) for text in distances]
    if random < 1:
        raise InputError(
            f"Found --random {random}; wanted 1 or more particles, whose structures are measured."
        )
    nothing = (z, z_file, particles, kmeans, pc) == (None,) * 5
    chosen = choose_latents(
        opened, epoch, latent_dim=structure.method.latent_dim, z=z, z_file=z_file, particles=particles,
        kmeans=kmeans, pc=1 if nothing else pc, points=points,
    )  # fmt: skip
    latents = opened.latents(epoch)
    target = (output or opened.path / "analysis" / f"structures_{chosen.name}").absolute()
    with new_folder(target, holds="structures") as folder:
        passes = 2 if groups else 1
        tell = _counter(progress, total=random + len(chosen.z) + passes * len(latents))
        found = Found.of(structure, chosen, Sample.of(structure, latents, count=random, tell=tell))
        write_state_maps(folder, opened, found, epoch=epoch, tell=tell)
        notes = write_ensemble(folder, found)
        write_tables(folder, found)
        write_for_chimerax(folder, found)
        apart = _write_particles(folder, opened, found, latents, groups, tell)
    said = found.verdicts + notes
    sample = found.sample
    return StructuresReport(target, found.named, found.quality, sample.quality, sample.screws, apart, said)


def _write_particles(
    folder: Path,
    run: Run,
    found: Found,
    latents: Latents,
    groups: list[Distance],
    tell: Callable[[int], None],
) -> dict[str, Float[ndarray, " n"]]:
    """Write particles.csv, if there are segments, distances.csv, and the picture of both; the distances."""
    structure, symmetry = found.structure, run.recipe.data.symmetry
    turns = np.zeros((len(latents), 0))
    if len(found.named):
        screws = particle_screws(structure, latents, found.sample.main, tell=tell)
        turns = write_particles(
            folder / "particles.csv",
            latents.index,
            screws,
            segments=len(found.named),
            symmetry=symmetry,
        )
    apart = particle_distances(structure, latents, groups, tell=tell)
    if groups:
        columns = {name.replace(",", "+"): values for name, values in apart.items()}
        write_particle_csv(folder / "distances.csv", latents.index, columns, symmetry=symmetry)
    draw_structures(
        folder / "structures.png",
        Pictured(
            backbone=structure.backbone,
            states=found.places,
            chain=structure.residues.chains,
            residue_names=found.names,
            named=found.named,
            segment=found.segment,
            share=found.share,
            displacement=found.displacement,
            turns=turns,
            distances=apart,
            state_distances={group.name: group.of(found.places) for group in groups},
        ),
        title=f"{structure.template.source.name} {_where(found.chosen)}",
        verdict=found.verdicts[0],
    )
    return apart


def _where(chosen: Chosen) -> str:
    """What states are of, in words.

    >>> import numpy as np
    >>> _where(Chosen.free(np.zeros((3, 1)), "pc2"))
    'in 3 states along principal component 2'
    """
    name = re.sub(r"^pc(\d+)$", r"along principal component \1", chosen.name)
    name = re.sub(r"^kmeans\d+$", "at the centres of clusters", name)
    given = {"z": "at given latents", "particles": "at the latents of particles"}
    return f"in {len(chosen.z)} states {given.get(name, name)}"


def _counter(progress: Callable[[int, int], None] | None, *, total: int) -> Callable[[int], None]:
    """What adds up steps of work and tells how many of all are done."""
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(min(done, total), total)

    return tell
