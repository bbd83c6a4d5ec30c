"""What a careful reviewer would ask of an analysis before believing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.analysis.analysis import Analysis
from trimorph.analysis.data_summary import DataSummary
from trimorph.analysis.report_html import Html, element, join, text
from trimorph.analysis.report_numbers import correlation, counted, percent
from trimorph.analysis.report_training import STILL, last_fall
from trimorph.analysis.state_maps import Difference
from trimorph.run.concerns import UNSEEN, view_concerns

FEW, SMALL = 300, 0.01
"""Effective particles, and share of all particles, below which a state is thin."""

TOLD = 0.05
"""Share of a component's variance that a nuisance may explain."""

REAL, CLEAR = 0.143, 0.5
"""Correlation of half sets in what differs from the mean: noise below the first, clear from the second on."""

VAGUE = 0.5
"""Share of the latents' variance that has to be theirs, and not the uncertainty of each."""

WEAK = 0.5
"""Mean FSC of a state's own map and the model's, below which they tell different stories."""


@dataclass(frozen=True)
class Concern:
    """A question that the result leaves open: a warning, or a note on what was not looked at.

    ``passed`` says that the question was asked and is answered; its words then say how.
    """

    kind: Literal["warning", "note", "passed"]
    title: str
    words: str


def find_concerns(
    analysis: Analysis,
    *,
    data: DataSummary,
    shares: Mapping[str, Float[ndarray, " p"]],
    differences: Sequence[Difference],
    metrics: list[dict[str, Any]],
) -> tuple[Concern, ...]:
    """All questions, in the order of their weight; warnings first."""
    found = [
        *_own_maps(analysis),
        *_differences(analysis, differences),
        *_thin_states(analysis),
        *_agreement(analysis),
        *_views(data),
        *_nuisances(shares),
        *_precision(analysis),
        *_training(analysis, metrics),
        *_not_asked(analysis),
    ]
    return tuple(sorted(found, key=lambda one: ("warning", "note", "passed").index(one.kind)))


def concerns_html(concerns: Sequence[Concern]) -> Html:
    """Warnings and notes as a list, and one line on what was looked at and found well."""
    open_ones = [one for one in concerns if one.kind != "passed"]
    items = join(
        element(
            "li",
            join([element("strong", text(one.title + ".")), text(one.words)]),
            class_="note" if one.kind == "note" else None,
        )
        for one in open_ones
    )
    parts = [element("ul", items, class_="concerns")] if open_ones else []
    well = [one for one in concerns if one.kind == "passed"]
    if well:
        words = " ".join(f"{one.title}: {one.words}" for one in well)
        parts.append(
            element(
                "p",
                join([element("strong", text("Looked at and found well.")), text(words)]),
                class_="passed",
            )
        )
    return join(parts)


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
            f"Hardly more than noise in {_listed('state', weak)}",
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
            f"Few particles in {_listed('state', [one.number for one in thin])}",
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
            f"Model and particles disagree in {_listed('state', poor)}",
            f"The mean FSC of own map and model's is below {WEAK:g}, up to the resolution of the own map. "
            "Believe the own map.",
        )


def _views(data: DataSummary) -> Iterator[Concern]:
    if (
        data.table is None
        or data.table.rotation is None
        or data.info is None
        or data.info.orientations is None
    ):
        return
    said = view_concerns(data.table.rotation)
    for line in said:
        yield Concern("warning", "Preferred orientation", _sentence(line.removeprefix("warning: ")))
    if not said:
        unseen = data.info.orientations.unseen
        yield Concern(
            "passed",
            "Views",
            f"{percent(unseen)} of Fourier space is hardly seen (up to {percent(UNSEEN)} is fine).",
        )


def _nuisances(shares: Mapping[str, Float[ndarray, " p"]]) -> Iterator[Concern]:
    """Latents that follow the imaging."""
    if not shares:
        return
    strong = {name: values for name, values in shares.items() if float(np.max(values)) > TOLD}
    for name, values in strong.items():
        place = int(np.argmax(values))
        yield Concern(
            "warning",
            f"Latents follow the {name}",
            f"It tells {percent(float(values[place]))} of principal component {place + 1}: particles may be "
            "sorted by how they were imaged. See the pictures of the latents coloured by it, and whether "
            "states along this component also differ among particles that are alike in it.",
        )
    if not strong:
        most = max(float(np.max(values)) for values in shares.values())
        yield Concern(
            "passed",
            "Latents and imaging",
            f"{_words(list(shares))} explain {percent(max(most, 0.0))} of a principal component at most.",
        )


def _precision(analysis: Analysis) -> Iterator[Concern]:
    """Whether latents scatter by more than each of them is uncertain."""
    covariance, axes = analysis.embedding.covariance, analysis.components.axes
    if covariance is None or not covariance.any():
        return
    blur = float(np.einsum("i,nij,j->n", axes[0], covariance, axes[0]).mean())
    own = float(analysis.components.variance[0])
    share = own / (own + blur) if own + blur > 0 else 0.0
    words = (
        f"along the first component {percent(share)} of the variance is the spread of the latents, the rest "
        "the uncertainty that the model itself states of each."
    )
    if share < VAGUE:
        yield Concern("warning", "Latents are vague", _sentence(words) + " States then overlap widely.")
    else:
        yield Concern("passed", "Precision of the latents", words)


def _training(analysis: Analysis, metrics: list[dict[str, Any]]) -> Iterator[Concern]:
    run, epoch = analysis.embedding.run, analysis.embedding.epoch
    if run is None:
        return
    planned = sum(stage.epochs for stage in run.method(epoch).stages)
    if epoch is not None and epoch < planned:
        yield Concern(
            "warning",
            "Training was not at its end",
            f"What is shown is of epoch {epoch} of {planned}. Analyse the run again when it has finished.",
        )
        return
    fall = last_fall(metrics)
    if fall is not None and fall > STILL:
        yield Concern(
            "warning",
            "The loss was still falling",
            f"In the last epoch by {percent(fall)} of all that it fell. Train for more epochs.",
        )
    elif fall is not None:
        yield Concern("passed", "Training", "the loss no longer fell in the last epoch.")


def _not_asked(analysis: Analysis) -> Iterator[Concern]:
    source = analysis.embedding.source
    yield Concern(
        "note",
        "Not shown here",
        "States were chosen by latents that the same images gave, so that noise can be sorted into states "
        "which differ in both half sets. Whether the motion is real is another question: "
        f"trimorph validate {source} trains half sets apart and on simulations without motion.",
    )


def _listed(thing: str, numbers: Sequence[int]) -> str:
    """Numbers of states as words.

    >>> _listed("State", [1]), _listed("State", [1, 2, 5])
    ('State 1', 'States 1, 2 and 5')
    """
    return f"{thing}{'' if len(numbers) == 1 else 's'} {_words([str(number) for number in numbers])}"


def _words(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sentence(words: str) -> str:
    found = words[:1].upper() + words[1:]
    return found if found.endswith(".") else found + "."
