"""What a reviewer would ask of particles, latents and training, before looking at any map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from trimorph.analysis.analysis import Analysis
from trimorph.analysis.concern import Concern, sentence, worded
from trimorph.analysis.data_summary import DataSummary
from trimorph.analysis.nuisance import Explained, beyond_chance
from trimorph.analysis.report_numbers import percent
from trimorph.analysis.report_training import STILL, last_fall
from trimorph.run.concerns import UNSEEN, view_concerns

MATTERS = 0.02
"""Share of the variance of all that a component has to have, to be asked what else explains it."""

VAGUE = 0.5
"""Share of the latents' variance that has to be theirs, and not the uncertainty of each."""


def concerns_of_latents(
    analysis: Analysis,
    data: DataSummary,
    nuisances: Mapping[str, Explained],
    metrics: list[dict[str, Any]],
) -> Iterator[Concern]:
    """All questions on what the latents rest on."""
    yield from _views(data)
    yield from _nuisances(analysis, nuisances)
    yield from _precision(analysis)
    yield from _training(analysis, metrics)


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
        yield Concern("warning", "Preferred orientation", sentence(line.removeprefix("warning: ")))
    if not said:
        unseen = data.info.orientations.unseen
        yield Concern(
            "passed",
            "Views",
            f"{percent(unseen)} of Fourier space is hardly seen (up to {percent(UNSEEN)} is fine).",
        )


def _nuisances(analysis: Analysis, found: Mapping[str, Explained]) -> Iterator[Concern]:
    """Latents that follow the imaging, along components that matter, beyond what chance does."""
    if not found:
        return
    matters = analysis.components.share >= MATTERS
    told = beyond_chance(found, matters)
    for name, strong in told.items():
        if not strong.any():
            continue
        values = np.where(strong, found[name].share, 0.0)
        place = int(np.argmax(values))
        yield Concern(
            "warning",
            f"Latents follow the {name}",
            f"It tells {percent(float(values[place]))} of principal component {place + 1}: particles may be "
            "sorted by how they were imaged. See the pictures of the latents coloured by it, and whether "
            "states along this component also differ among particles that are alike in it.",
        )
    if not any(strong.any() for strong in told.values()):
        most = max(float(one.share[matters[: len(one.share)]].max(initial=0.0)) for one in found.values())
        yield Concern(
            "passed",
            "Latents and imaging",
            f"{worded(list(found))} explain {percent(most)} of a principal component at most, which is "
            "little, or chance among so few particles.",
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
        yield Concern("warning", "Latents are vague", sentence(words) + " States then overlap widely.")
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
