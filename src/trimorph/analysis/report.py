"""The report of an analysis: one HTML file that a colleague can open anywhere."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from trimorph.analysis.analysis import Analysis
from trimorph.analysis.data_summary import DataSummary, summarise_data
from trimorph.analysis.nuisance import find_nuisances
from trimorph.analysis.report_budget import Budget
from trimorph.analysis.report_changes import changes_section
from trimorph.analysis.report_concerns import find_concerns
from trimorph.analysis.report_data import data_section
from trimorph.analysis.report_files import files_section
from trimorph.analysis.report_glance import glance_section
from trimorph.analysis.report_html import Html, how, section
from trimorph.analysis.report_latents import latents_section
from trimorph.analysis.report_numbers import counted
from trimorph.analysis.report_page import page
from trimorph.analysis.report_paths import movies_section, paths_section, pictures_of
from trimorph.analysis.report_run import run_section
from trimorph.analysis.report_states import cards_section, states_section
from trimorph.analysis.report_training import training_section
from trimorph.analysis.state_curves import read_curves
from trimorph.analysis.state_maps import load_state_maps
from trimorph.analysis.state_motion import largest_motion
from trimorph.data.atomic import atomic_path

NAME = "report.html"

STRUCTURES = (
    "The first and the last state from two sides, segments along the chains, how far each residue goes, and "
    "what all particles do."
)

FIGURES = 1_800_000
"""Bytes of pictures and movies from the folder that go into the page; what is beyond is linked."""


def write_report(folder: Path, analysis: Analysis) -> Path:
    """Write report.html into the folder where the files of an analysis lie, and return its path.

    Everything is in the one file: pictures, style and script. The particles are read again for their
    summary; where that fails the report says so. An existing report is replaced.

    Errors: those of reading the maps that the analysis names.
    """
    run, epoch = analysis.embedding.run, analysis.embedding.epoch
    maps = load_state_maps(folder, analysis.state_files)
    curves = [read_curves(folder, one) for one in analysis.state_files]
    data = _data(folder, analysis)
    metrics = [] if run is None else run.metrics()
    nuisances = {} if data.table is None else find_nuisances(analysis.components.scores, data.table)
    motion = None if run is None else largest_motion(run.method(epoch), analysis.states.z)
    concerns = find_concerns(
        analysis, data=data, nuisances=nuisances, differences=maps.differences, metrics=metrics
    )
    budget = Budget(FIGURES)
    pictures = [(one.path, one.title, one.caption) for one in analysis.figures]
    sections = [
        glance_section(analysis, maps, motion, concerns),
        states_section(analysis.state_files, maps, name=analysis.states.name),
        changes_section(analysis.state_files, maps),
        paths_section(folder, analysis, maps),
        movies_section(folder, budget),
        _structures(folder, analysis, budget),
        latents_section(analysis, nuisances, pictures_of(folder, pictures, budget)),
        cards_section(analysis.state_files, maps, curves),
        Html("") if run is None else training_section(metrics),
        data_section(data),
        Html("")
        if run is None
        else run_section(
            run, epoch=epoch, command=_command(), call=_call(analysis), seconds=analysis.seconds
        ),
        files_section(folder, analysis.folder),
    ]
    whole = page(title=_title(analysis), under=_under(analysis), sections=sections, foot=_foot())
    with atomic_path(folder / NAME, overwrite=True) as temporary:
        temporary.write_text(whole, encoding="utf-8")
    return folder / NAME


def _data(folder: Path, analysis: Analysis) -> DataSummary:
    run = analysis.embedding.run
    if run is None:
        return DataSummary(None, None, problem="the latents are of a file, without particles")
    return summarise_data(run.recipe.data, folder / "figures" / "particles.png")


def _structures(folder: Path, analysis: Analysis, budget: Budget) -> Html:
    """Pictures of atoms that lie beside those of a traversal."""
    found = [
        (one.structure.parent / "structures.png", f"Structures along {one.name}", STRUCTURES)
        for one in analysis.traversals
        if one.structure is not None
    ]
    shown = pictures_of(folder, found, budget)
    if not shown:
        return Html("")
    words = (
        "Atoms moved as the model says. The images determine them only as far as the own maps of the states "
        "reach: no side chain is seen at 8 Å. quality.csv beside each picture has clashes, strain and "
        "bends."
    )
    return section("structures", "Structures", how(words), shown)


def _title(analysis: Analysis) -> str:
    run = analysis.embedding.run
    name = analysis.embedding.source.name
    return (
        f"{name}: {analysis.states.count} states"
        if run is None
        else f"{run.path.name}: {run.recipe.method}, {counted(analysis.states.count, 'state')}"
    )


def _under(analysis: Analysis) -> str:
    epoch = analysis.embedding.epoch
    of = "" if epoch is None else f", epoch {epoch}"
    return f"Analysis {analysis.folder.name} of {analysis.embedding.source}{of}"


def _foot() -> str:
    now = datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC")
    return f"Written by trimorph {version('trimorph')} on {now}. Everything in this page is in this file."


def _command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _call(analysis: Analysis) -> str:
    """The call in Python that makes the same analysis."""
    given = "".join(f", {name}={value!r}" for name, value in analysis.settings.items())
    return f"import trimorph\n\ntrimorph.analyze({str(analysis.embedding.source)!r}{given})"
