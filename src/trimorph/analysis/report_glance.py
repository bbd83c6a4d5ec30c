"""The first part of a report: what moves, how much, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trimorph.analysis.analysis import Analysis
from trimorph.analysis.concern import Concern
from trimorph.analysis.concerns_of_states import CLEAR, REAL
from trimorph.analysis.report_concerns import concerns_html
from trimorph.analysis.report_html import Html, element, how, join, section, text
from trimorph.analysis.report_numbers import correlation, counted, percent, resolved, signed
from trimorph.analysis.report_states import side_by_side
from trimorph.analysis.state_maps import StateMaps
from trimorph.analysis.state_motion import StateMotion

HOW = (
    "The upper row of maps was made from the images alone; what it shows is seen. The lower row is what the "
    "model draws; where it shows more than the upper row, it is a guess. Read the warnings before the rest."
)


def glance_section(
    analysis: Analysis, maps: StateMaps, motion: StateMotion | None, concerns: Sequence[Concern]
) -> Html:
    """The three answers, the states side by side, and what to be careful about."""
    answers = element(
        "dl",
        join(
            element("div", join([element("dt", text(name)), element("dd", text(words))]))
            for name, words in (
                ("What moves", what_moves(analysis, maps)),
                ("How much", how_much(analysis, maps, motion)),
                ("How sure", how_sure(analysis, maps)),
            )
        ),
        class_="answers",
    )
    careful = [element("h3", text("What to be careful about")), concerns_html(concerns)]
    return section(
        "glance", "At a glance", how(HOW), answers, side_by_side(analysis.state_files, maps), *careful
    )


def what_moves(analysis: Analysis, maps: StateMaps) -> str:
    """How many states there are, and where in the box they differ."""
    share = analysis.components.share
    words = (
        f"{counted(analysis.states.count, 'state')} of {counted(len(analysis.embedding), 'particle')}, in an "
        "order in which neighbours are alike"
    )
    if len(share):
        words += f"; the first principal component holds {percent(float(share[0]))} of the latents' variance"
    power = maps.shown.var(0)
    if maps.mask is not None:
        power = power * maps.mask
    if float(power.sum()) <= 0 or len(maps.shown) < 2:
        return words + ". Their maps are all the same."
    x, y, z = (signed(float(round(value))) for value in _centre(power, maps.pixel_size))
    return f"{words}. The maps differ most around (x, y, z) = ({x}, {y}, {z}) Å from the middle of the box."


def how_much(analysis: Analysis, maps: StateMaps, motion: StateMotion | None) -> str:
    """Å where the model has parts that move, and the share of density that differs."""
    said, numbers = [], [one.number for one in analysis.state_files]
    if motion is not None:
        said.append(
            f"In the model, density moves by {resolved(motion.rms)} rms between states "
            f"{numbers[motion.first]} and {numbers[motion.second]}, a tenth of it by {resolved(motion.far)} "
            "or more."
        )
    if maps.differences:
        place = int(np.argmax([one.size for one in maps.differences]))
        said.append(
            f"Of the particles' own maps, that of state {numbers[place]} differs most from the mean of all: "
            f"by {percent(maps.differences[place].size)} of its rms density."
        )
    elif len(maps.decoded) > 1:
        mean = maps.mean(maps.decoded)
        sizes = [float(np.sqrt(((one - mean) ** 2).sum() / (mean**2).sum())) for one in maps.decoded]
        place = int(np.argmax(sizes))
        said.append(
            f"Of the model's maps, that of state {numbers[place]} differs most from the mean of all: by "
            f"{percent(sizes[place])} of its rms density."
        )
    return " ".join(said) or "There is one state alone."


def how_sure(analysis: Analysis, maps: StateMaps) -> str:
    """Resolution of the own maps, and whether half sets agree on what differs."""
    known = [one.resolution for one in analysis.state_files if one.resolution is not None]
    if not known:
        return "Not known: there are no maps of the particles themselves, only the model's."
    low, high = resolved(min(known)), resolved(max(known))
    words = f"The particles' own maps reach {low}" + ("" if low == high else f" to {high}") + " (FSC 0.143)"
    words += ", as far as the pixel size allows." if max(known) < 1.03 * maps.nyquist else "."
    if len(maps.decoded) < 2:
        return words
    if not maps.differences:
        return words + " No half maps were kept, so that nothing says whether their differences are real."
    values = [one.correlation for one in maps.differences]
    grade = (
        "clear in every state"
        if min(values) >= CLEAR
        else "clear in some states, not in all"
        if max(values) >= CLEAR
        else "weak"
        if max(values) >= REAL
        else "not beyond noise"
    )
    least, most = correlation(min(values)), correlation(max(values))
    return f"{words} Differences to the mean are {grade}: half sets agree on them to {least}" + (
        "." if least == most else f" in the worst and {most} in the best state."
    )


def _centre(power: np.ndarray, pixel_size: float) -> tuple[float, float, float]:
    """Centre (x, y, z) in Å of what differs strongly, from the origin voxel."""
    strong = np.where(power > 0.25 * power.max(), power, 0.0).astype(np.float64)
    axis = (np.arange(len(power)) - len(power) // 2) * pixel_size
    z, y, x = (
        float((strong.sum(tuple(other for other in range(3) if other != along)) * axis).sum() / strong.sum())
        for along in range(3)
    )
    return x + 0.0, y + 0.0, z + 0.0
