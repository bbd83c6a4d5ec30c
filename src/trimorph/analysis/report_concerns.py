"""What a careful reviewer would ask of an analysis before believing it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trimorph.analysis.analysis import Analysis
from trimorph.analysis.concern import Concern, sentence
from trimorph.analysis.concerns_of_latents import concerns_of_latents
from trimorph.analysis.concerns_of_states import concerns_of_states
from trimorph.analysis.data_summary import DataSummary
from trimorph.analysis.nuisance import Explained
from trimorph.analysis.report_html import Html, element, join, text
from trimorph.analysis.state_maps import Difference


def find_concerns(
    analysis: Analysis,
    *,
    data: DataSummary,
    nuisances: Mapping[str, Explained],
    differences: Sequence[Difference],
    metrics: list[dict[str, Any]],
) -> tuple[Concern, ...]:
    """All questions, in the order of their weight; warnings first."""
    found = [
        *concerns_of_states(analysis, data, differences),
        *concerns_of_latents(analysis, data, nuisances, metrics),
        *_validated(analysis),
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


def _validated(analysis: Analysis) -> Iterator[Concern]:
    """What `trimorph validate` has said of the run, if it was asked."""
    run = analysis.embedding.run
    path = None if run is None else run.path / "analysis" / "validation" / "verdict.json"
    if path is not None and path.is_file():
        told = json.loads(path.read_text(encoding="utf-8"))
        words = " ".join(sentence(line) for line in told["lines"])
        if told["heterogeneous"]:
            yield Concern("passed", "Validation", words)
        else:
            yield Concern("warning", "Validation found nothing that is real", words)
        return
    yield Concern(
        "note",
        "Not shown here",
        "States were chosen by latents that the same images gave, so that noise can be sorted into states "
        "which differ in both half sets. Whether the motion is real is another question: "
        f"trimorph validate {analysis.embedding.source} trains half sets apart, and looks at images in which "
        "nothing differs.",
    )
