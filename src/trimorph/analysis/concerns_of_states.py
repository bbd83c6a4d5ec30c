"""What a reviewer would ask of the states: whether they differ, on how many particles, seen from where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from trimorph.analysis.analysis import Analysis
from trimorph.analysis.concern import Concern, listed, worded
from trimorph.analysis.data_summary import DataSummary
from trimorph.analysis.paths_crowd import crowd
from trimorph.analysis.report_numbers import correlation, counted
from trimorph.analysis.state_maps import Difference
from trimorph.data.orientations import coverage

FEW, SMALL = 300, 0.01
"""Effective particles, and share of all particles, below which a state is thin."""

REAL, CLEAR = 0.143, 0.5
"""Correlation of half sets in what differs from the mean: noise below the first, clear from the second on."""

ONE_SIDED, LEAST_VIEWS = 0.7, 50
"""Part of the sampling compensation of all particles below which a state is seen from few sides, and
particles that it takes to say so."""

WEAK = 0.5
"""Mean FSC of a state's own map and the model's, below which they tell different stories."""


def concerns_of_states(
    analysis: Analysis, data: DataSummary, differences: Sequence[Difference]
) -> Iterator[Concern]:
    """All questions on the states."""
    yield from _own_maps(analysis)
    yield from _differences(analysis, differences)
    yield from _thin_states(analysis)
    yield from _agreement(analysis)
    yield from _views_of_states(analysis, data)
    yield from _empty_points(analysis)


def _own_maps(analysis: Analysis) -> Iterator[Concern]:
    if all(one.own is None for one in analysis.state_files):
        yield Concern(
            "warning",
            "No maps of the particles themselves",
            "All maps in this report are the model's. They show what it has learned, also from noise, and "
            "nothing here says to which resolution they are true. Run the analysis with the particles at "
            "hand, or trimorph reconstruct --near, before interpreting any of them.",
        )


def _differences(analysis: Analysis, differences: Sequence[Difference]) -> Iterator[Concern]:
    """Whether states differ by more than noise in maps of the particles."""
    if len(differences) < 2:
        return
    values = [one.correlation for one in differences]
    numbers = [one.number for one in analysis.state_files]
    weak = [number for number, value in zip(numbers, values, strict=True) if value < CLEAR]
    if max(values) < REAL:
        yield Concern(
            "warning",
            "The states' own maps do not differ",
            "What distinguishes the maps of the states is not the same in the two half sets (correlations of "
            f"at most {correlation(max(values))}): the states may be nothing but noise that was sorted.",
        )
    elif weak:
        yield Concern(
            "warning",
            f"Hardly more than noise in {listed('state', weak)}",
            "In the particles' own maps, the half sets agree on how it differs from the mean to "
            f"{', '.join(correlation(value) for value in values if value < CLEAR)} only. Do not interpret "
            "such a state by itself.",
        )
    else:
        yield Concern(
            "passed",
            "Difference of the states",
            f"half sets agree on how each differs from the mean, to {correlation(min(values))} or more.",
        )


def _thin_states(analysis: Analysis) -> Iterator[Concern]:
    thin = [
        one
        for one in analysis.state_files
        if one.share < SMALL or (one.effective is not None and one.effective < FEW)
    ]
    if thin:
        least = min(one.effective if one.effective is not None else one.particles for one in thin)
        yield Concern(
            "warning",
            f"Few particles in {listed('state', [one.number for one in thin])}",
            f"As few as effectively {counted(round(least), 'particle')}: noise makes features in such a map, "
            "and its FSC is uncertain itself. Ask for fewer states, or for more particles.",
        )
    else:
        yield Concern("passed", "Particles of the states", f"every state has effectively {FEW} or more.")


def _agreement(analysis: Analysis) -> Iterator[Concern]:
    poor = [one.number for one in analysis.state_files if one.agreement is not None and one.agreement < WEAK]
    if poor:
        yield Concern(
            "warning",
            f"Model and particles disagree in {listed('state', poor)}",
            f"The mean FSC of own map and model's is below {WEAK:g}, up to the resolution of the own map. "
            "Believe the own map.",
        )


def _views_of_states(analysis: Analysis, data: DataSummary) -> Iterator[Concern]:
    """States whose particles were seen from few sides: it smears their maps, and may be all that they are."""
    if data.table is None or data.table.rotation is None or len(analysis.state_files) < 2:
        return
    whole = coverage(data.table.rotation).compensation
    few = []
    for place, one in enumerate(analysis.state_files):
        rows = analysis.states.label == place
        if rows.sum() >= LEAST_VIEWS and coverage(data.table.rotation[rows]).compensation < ONE_SIDED * whole:
            few.append(one.number)
    if few:
        yield Concern(
            "warning",
            f"One-sided views in {listed('state', few)}",
            "The particles there were seen from fewer sides than all are. What they have in common may be "
            "the view, from which the motion cannot be told, and the own map is smeared.",
        )
    else:
        yield Concern("passed", "Views of the states", "each was seen from as many sides as all particles.")


def _empty_points(analysis: Analysis) -> Iterator[Concern]:
    """Maps along an axis where the model has seen hardly any particle."""
    said = []
    for path in analysis.traversals:
        empty = np.flatnonzero(crowd(analysis.embedding.mean, path.z).empty) + 1
        if len(empty):
            said.append(f"{listed('point', empty.tolist())} of {path.name}")
    if said:
        yield Concern(
            "note",
            "Maps where hardly any particle is",
            f"Less than a tenth of the usual number of particles lie near {worded(said)}. What the model "
            "draws there is a guess; trimorph path goes where particles are.",
        )
