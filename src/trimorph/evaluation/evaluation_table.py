"""An evaluation as a table: what each score is, which way is better, and what all candidates have."""

from __future__ import annotations

import math
from collections.abc import Iterator

from trimorph.evaluation.evaluate import Evaluation
from trimorph.evaluation.score_list import GROUPS, in_order, score_of

_ARROW = {"higher": "↑", "lower": "↓", "near 0": "0"}

BLIND, CEILING = "blind", "ceiling"


def table_lines(found: Evaluation, *, explain: bool = True) -> list[str]:
    """Lines of text: a row a score, in groups, and beneath each what it asks."""
    names = [*(each.name for each in found.scored), BLIND, CEILING]
    keys = in_order({key for each in found.scored for key in each.values})
    title = max(len(_titled(key)) for key in keys)
    cells = {key: _cells(found, key) for key in keys}
    width = [max(len(name), *(len(row[at]) for row in cells.values())) for at, name in enumerate(names)]
    head = "  ".join(name.rjust(size) for name, size in zip(names, width, strict=True))
    lines = []
    for group in GROUPS:
        mine = [key for key in keys if score_of(key).group == group]
        if not mine:
            continue
        lines += ["", f"{group.upper().ljust(title + 4)}{head}"]
        for key in mine:
            values = "  ".join(cell.rjust(size) for cell, size in zip(cells[key], width, strict=True))
            lines.append(f"{_titled(key).ljust(title)}  {_ARROW[score_of(key).better]} {values}".rstrip())
            lines += [f"    {score_of(key).line}"] if explain else []
    return [*lines[1:], "", *legend(found)]


def legend(found: Evaluation) -> Iterator[str]:
    """What the columns are, and all that is to be said of the candidates."""
    yield "↑ higher is better, ↓ lower, 0 near zero. ± is a standard error over the images that were asked."
    yield (
        f"{BLIND}: latents dealt to the particles at random; for maps, the mean of the true maps for all; "
        "for structures, the start."
    )
    if found.truth.state_probability is None:
        yield f"{CEILING}: a perfect map. Simulate with --ceiling for that of latents, which noise limits."
    else:
        yield f"{CEILING}: a perfect map; latents of one who knows all but the states."
    for each in found.scored:
        asked = f"{len(each.particles)} of {len(each.candidate.z)} images asked for maps"
        for note in ([asked] if each.images is not None else []) + list(each.candidate.notes):
            yield f"{each.name}: {note}"
    yield from found.notes


def number(value: float | None) -> str:
    """A value to three decimals, or to three figures where it is large.

    >>> number(0.98765), number(123.456), number(None), number(float("inf"))
    ('0.988', '123', '', 'inf')
    """
    if value is None or math.isnan(value):
        return ""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.3g}"


def _titled(key: str) -> str:
    score = score_of(key)
    return f"{score.title}, {score.unit}" if score.unit else score.title


def _cells(found: Evaluation, key: str) -> list[str]:
    cells = []
    for each in found.scored:
        text = number(each.values.get(key))
        error = each.errors.get(key)
        cells.append(f"{text} ±{error:.1g}" if text and error and error > 1e-6 else text)
    return [*cells, number(found.blind.get(key)), number(found.ceiling.get(key))]
