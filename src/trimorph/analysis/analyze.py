"""analyze: states of a run, what the model and the particles themselves say of them, tables and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from trimorph.analysis.analysis import Analysis
from trimorph.analysis.analysis_files import write_particles, write_script, write_states_table
from trimorph.analysis.analysis_settings import AnalysisSettings
from trimorph.analysis.components import find_components
from trimorph.analysis.figure_list import draw_all
from trimorph.analysis.junk import junk_line
from trimorph.analysis.likelihood import misfit
from trimorph.analysis.particle_columns import Columns, latent_columns, source_values, table_columns
from trimorph.analysis.report import write_report
from trimorph.analysis.run_table import table_of
from trimorph.analysis.state_files import Model, own_maps, write_states, write_traversals
from trimorph.analysis.states import states_of
from trimorph.analysis.umap_plane import umap_plane
from trimorph.core.errors import InputError
from trimorph.data.tables import ParticleTable
from trimorph.run.embedding import Embedding, of_run
from trimorph.run.near import NearState
from trimorph.run.new_folder import new_folder, refuse_folder_in_use
from trimorph.run.run import Run

FLAT = 1e-9
"""Share of the variance below which nothing varies along a component, and no maps are made along it."""

Progress = Callable[[int, int], None]


def analyze(
    run: Path | str,
    settings: AnalysisSettings | None = None,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> Analysis:
    """Find states of a run, and write all that is known of them to a new folder analysis/NAME in the run.

    ``options`` are :class:`AnalysisSettings` by name; docs/analysis.md says what is written. Every method's
    runs will do, also one that is still trained.

    Errors: InputError for a run of latent dimension 0, latents that are not finite, more states than there
    are different latents, a column that is not there; FileNotFoundError; FileExistsError for a folder in use.
    All come before anything that takes long.
    """
    settings = replace(settings or AnalysisSettings(), **options)
    clock = _Clock()
    opened = Run.open(run)
    embedding = _latents_of(opened, settings.epoch)
    with clock.part("states"):
        components = find_components(embedding.mean)
        states = states_of(embedding.mean, settings.states, seed=settings.seed)
    target = (opened.path / "analysis" / (settings.name or states.name)).absolute()
    refuse_folder_in_use(target, holds="analysis", flag="--name")
    table = _table(opened, embedding, settings)
    with clock.part("UMAP"):
        plane = umap_plane(embedding.mean, seed=settings.seed) if settings.umap else None
    columns = _ordered(latent_columns(embedding, components, states, umap=plane), table, settings)
    model, lines = Model.of(opened, _epoch(embedding))
    found = Analysis(target, embedding, states, components, columns, (), (), (), lines, settings.changed())
    with new_folder(target, holds="analysis") as folder:
        found = _with_maps(folder, found, model, settings, clock, progress)
        with clock.part("misfit"):
            found = _with_misfit(found, opened, progress) if settings.misfit else found
        with clock.part("tables"):
            write_particles(folder, found.columns, parquet=settings.parquet)
            write_states_table(folder / "states.csv", found.state_files, states)
            write_script(folder / "analysis.cxc", folder, found.state_files, found.traversals)
        with clock.part("figures"):
            found = replace(found, figures=draw_all(folder, found, colours=settings.colours))
        found = replace(found, seconds=clock.seconds)
        with clock.part("report"):
            write_report(folder, found)
    return found


def _with_misfit(found: Analysis, run: Run, progress: Progress | None) -> Analysis:
    """With the column misfit, and a line where particles stand out by it."""
    epoch = found.embedding.epoch
    values = misfit(run, run.latents(epoch), epoch=epoch, progress=progress)
    line = junk_line(values, run=run.path, table=found.folder / "particles.csv")
    return replace(found, columns=found.columns | {"misfit": values}, lines=found.lines + line)


def _with_maps(
    folder: Path,
    found: Analysis,
    model: Model,
    settings: AnalysisSettings,
    clock: _Clock,
    progress: Progress | None,
) -> Analysis:
    """With the files of the states and those along principal components."""
    near: tuple[NearState, ...] = ()
    with clock.part("own maps"):
        if settings.own:
            near = own_maps(found.embedding, found.states, device=settings.device, progress=progress)
    with clock.part("maps"):
        files = write_states(folder, model, found.states, near=near)
        ways = write_traversals(
            folder,
            model,
            found.embedding.mean,
            components=min(settings.components, int((found.components.share > FLAT).sum())),
            points=settings.points,
            progress=progress,
        )
    return replace(found, state_files=files, traversals=ways)


def _latents_of(run: Run, epoch: int | None) -> Embedding:
    """Latents of a run, of the last epoch that left both latents and a checkpoint unless one is told."""
    if run.method(epoch).latent_dim == 0:
        raise InputError(
            f"{run.path}: found a run of latent dimension 0, which has one state and one map; wanted one "
            f"with latents. Write its map with: trimorph volumes {run.path}"
        )
    return of_run(run, epoch=epoch)


def _epoch(embedding: Embedding) -> int:
    assert embedding.epoch is not None  # as it is of a run
    return embedding.epoch


def _table(run: Run, embedding: Embedding, settings: AnalysisSettings) -> ParticleTable | None:
    """What the particle file says; None where it is gone and nobody needs it."""
    try:
        return table_of(run, len(embedding), box=run.method(embedding.epoch).disk.box)
    except FileNotFoundError:
        if settings.own or settings.misfit or settings.colours:
            raise
        return None


def _ordered(columns: Columns, table: ParticleTable | None, settings: AnalysisSettings) -> Columns:
    """All columns in the order of the table that is written; colours that are no column yet are looked up.

    Errors: InputError for a colour that is neither.
    """
    found = columns | ({} if table is None else table_columns(table))
    for name in settings.colours:
        if name not in found and not (name == "misfit" and settings.misfit):
            if table is None:
                raise InputError(f'Found no column "{name}" to colour by; wanted one of {", ".join(found)}.')
            found[name] = source_values(table, name, others=tuple(found))
    return found


class _Clock:
    """Seconds that the parts of an analysis took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        start = perf_counter()
        yield
        self.seconds[name] = perf_counter() - start
