"""The part of a report on the latents: where the particles lie, and what else the latents tell of.

Letters: n particles, d latent components.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from numpy.typing import NDArray

from trimorph.analysis.analysis import Analysis
from trimorph.analysis.nuisance import Explained
from trimorph.analysis.report_chart import Axis, chart, round_ticks
from trimorph.analysis.report_html import (
    Html,
    data_uri,
    element,
    embedded,
    figure,
    how,
    join,
    paragraph,
    section,
    table,
    text,
)
from trimorph.analysis.report_numbers import counted, number_cell, percent, word_cell
from trimorph.analysis.report_png import png
from trimorph.analysis.report_tiles import colour_of

HOW = (
    "Each particle is a point; colours and numbers are the states. Separate clouds speak for distinct "
    "states, one smooth cloud for continuous motion or for none: the latents of a particle that does not "
    "move also scatter, and k-means parts any cloud. Distances have no unit, and axes are scaled apart. The "
    "table below tells how much of each component is told by what a conformation should not know of; the "
    "more, the more the latents follow the imaging instead of the molecule."
)

WIDTH, HEIGHT, LEFT, TOP = 640, 460, 54, 12
"""Pixels of the picture of the latents, and where it begins in the drawing."""

POINTS = 2500
"""Particles that tell of themselves under the pointer."""


def latents_section(analysis: Analysis, nuisances: Mapping[str, Explained], gallery: Html) -> Html:
    """The plot of the first two components, their shares, what else explains them, and more pictures."""
    scores = analysis.components.scores
    plot = _plane(analysis) if scores.shape[1] > 1 else _histogram(scores[:, 0], "pc1")
    said = [paragraph(line) for line in analysis.lines]
    parts = [how(HOW), plot, *said, _shares(analysis)]
    if nuisances:
        parts += [element("h3", text("What else explains the latents")), nuisance_table(nuisances)]
    if gallery:
        parts += [element("h3", text("More pictures of the latents")), gallery]
    return section("latents", "Latents", *parts)


def nuisance_table(found: Mapping[str, Explained]) -> Html:
    """A row a nuisance, a column a component: what it explains."""
    count = max(len(one.share) for one in found.values())
    rows = [
        [word_cell(name), *(number_cell(percent(max(value, 0.0)), value) for value in one.share.tolist())]
        for name, one in found.items()
    ]
    words = (
        "Share of the variance of each principal component (of its ranks; adjusted R²) that is told by each "
        "of these: 0 where the latents know nothing of it. Above 5 %, look closer; few particles may show as "
        "much by chance, which the list of doubts takes into account."
    )
    head = ["told by", *(f"PC {number + 1}" for number in range(count))]
    shown = table(head, rows, caption="what the latents should not know of")
    return join([shown, paragraph(words, class_="under")])


def cloud(
    x: Float[ndarray, " n"], y: Float[ndarray, " n"], label: Int[ndarray, " n"], *, width: int, height: int
) -> UInt8[ndarray, "h w 3"]:
    """Points of the unit square as a soft picture in the colours of their labels, y upwards."""
    from scipy.ndimage import gaussian_filter

    soft = float(np.clip(3.2 - 0.35 * np.log10(max(len(x), 1)) * 2, 0.9, 3.0))
    total, mixed = np.zeros((height, width)), np.zeros((height, width, 3))
    for number in np.unique(label):
        chosen = label == number
        counts, _, _ = np.histogram2d(
            y[chosen], x[chosen], bins=(height, width), range=((0.0, 1.0), (0.0, 1.0))
        )
        spread = gaussian_filter(counts, soft)
        word = colour_of(int(number)).removeprefix("#")
        total += spread
        mixed += spread[..., None] * [int(word[i : i + 2], 16) for i in (0, 2, 4)]
    one = 1 / (2 * np.pi * soft**2)  # the height of a single particle
    unit = max(float(np.quantile(total[total > 0.2 * one], 0.7)), one) if (total > 0.2 * one).any() else one
    opacity = (1 - np.exp(-1.6 * total / unit))[..., None]
    colour = mixed / np.maximum(total, 1e-12)[..., None]
    return np.round(255 + opacity * (colour - 255)).astype(np.uint8)[::-1]


def _plane(analysis: Analysis) -> Html:
    """The plane of the first two components: a picture, the centres of the states, and hidden points."""
    scores, label = analysis.components.scores, analysis.states.label
    (x_low, x_high), (y_low, y_high) = (_limits(scores[:, axis]) for axis in (0, 1))
    x = (scores[:, 0] - x_low) / (x_high - x_low)
    y = (scores[:, 1] - y_low) / (y_high - y_low)
    beyond = int(((x < 0) | (x > 1) | (y < 0) | (y > 1)).sum())
    raster = png(cloud(x, y, label, width=WIDTH, height=HEIGHT))
    share = analysis.components.share
    names = [f"principal component {axis + 1} ({percent(share[axis])} of the variance)" for axis in (0, 1)]
    axes = _axes(names, (x_low, x_high), (y_low, y_high))
    centres = "".join(
        _centre(LEFT + WIDTH * x[row], TOP + HEIGHT * (1 - y[row]), place, one.number)
        for place, (row, one) in enumerate(zip(analysis.states.centre, analysis.state_files, strict=True))
    )
    alt = (
        f"Latents of {counted(len(scores), 'particle')} in the plane of their first two principal components"
    )
    drawing = Html(
        f'<svg class="chart" viewBox="0 0 {LEFT + WIDTH + 12} {TOP + HEIGHT + 46}" role="img" '
        f'aria-label="{text(alt)}"><image x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" '
        f'href="{data_uri(raster)}"/>{axes}{centres}'
        '<circle class="ring" r="6" fill="none" stroke="#17202e" stroke-width="2" visibility="hidden"/></svg>'
        '<div class="tip" aria-hidden="true"></div>'
    )
    words = f"{counted(len(scores), 'particle')}; numbers are the particles at the centres of the states."
    if beyond:
        words += f" {counted(beyond, 'particle')} lie beyond the frame."
    hidden = embedded("latent-points", _points(analysis, x, y))
    return join([figure(element("div", drawing, class_="latents"), text(words)), hidden])


def _limits(values: Float[ndarray, " n"]) -> tuple[float, float]:
    """From where to where an axis goes: all values, unless a few lie far beyond the others."""
    low, high = (float(limit) for limit in np.quantile(values, (0.002, 0.998)))
    room = 0.12 * (high - low)
    low, high = (
        max(low - room, float(values.min()) - room / 3),
        min(high + room, float(values.max()) + room / 3),
    )
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _axes(names: list[str], x: tuple[float, float], y: tuple[float, float]) -> str:
    parts = [f'<path class="frame" d="M{LEFT} {TOP}V{TOP + HEIGHT}H{LEFT + WIDTH}"/>']
    for value, word in round_ticks(*x, 8):
        place = LEFT + WIDTH * (value - x[0]) / (x[1] - x[0])
        parts.append(f'<text x="{place:.1f}" y="{TOP + HEIGHT + 17}" text-anchor="middle">{word}</text>')
    for value, word in round_ticks(*y, 6):
        place = TOP + HEIGHT * (1 - (value - y[0]) / (y[1] - y[0]))
        parts.append(f'<text x="{LEFT - 7}" y="{place + 4:.1f}" text-anchor="end">{word}</text>')
    parts.append(
        f'<text class="label" x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 38}" text-anchor="middle">'
        f"{text(names[0])}</text>"
        f'<text class="label" transform="translate(13 {TOP + HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        f"{text(names[1])}</text>"
    )
    return "".join(parts)


def _centre(x: float, y: float, place: int, number: int) -> str:
    return (
        f'<g class="centre" transform="translate({x:.1f} {y:.1f})"><title>State {number}</title>'
        f'<circle r="10" fill="{colour_of(place)}"/><text y="4">{number}</text></g>'
    )


def _points(analysis: Analysis, x: Float[ndarray, " n"], y: Float[ndarray, " n"]) -> dict[str, object]:
    """Some particles inside the frame: where they are drawn, their number, state and what else is known."""
    inside = np.flatnonzero((x >= 0) & (x <= 1) & (y >= 0) & (y <= 1))
    some = np.sort(np.random.default_rng(0).permutation(inside)[:POINTS])
    numbers = np.array([one.number for one in analysis.state_files] + [-1])
    extra = {
        name: [f"{value:.4g}{unit}" for value in _numbers(analysis.columns[name])[some] * scale]
        for name, scale, unit in (("defocus", 1e-4, " µm"), ("misfit", 1.0, ""))
        if name in analysis.columns
    }
    return {
        "x": np.round(LEFT + WIDTH * x[some]).astype(int).tolist(),
        "y": np.round(TOP + HEIGHT * (1 - y[some])).astype(int).tolist(),
        "particle": some.tolist(),
        "state": numbers[analysis.states.label[some]].tolist(),
        "extra": extra,
    }


def _numbers(values: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _histogram(values: Float[ndarray, " n"], name: str) -> Html:
    low, high = _limits(values)
    counts, edges = np.histogram(values, bins=60, range=(low, high))
    alt = f"Histogram of the only latent component of {counted(len(values), 'particle')}"
    shown = chart(
        [],
        Axis(name, low, high),
        Axis("particles", 0.0, 1.05 * float(counts.max())),
        alt=alt,
        bars=(edges, counts.astype(np.float64), colour_of(0)),
        width=640,
        height=300,
    )
    return figure(shown, text("The latents have one component alone."))


def _shares(analysis: Analysis) -> Html:
    """How the variance is spread over the components."""
    share, deviation = analysis.components.share, np.sqrt(np.maximum(analysis.components.variance, 0.0))
    rows = [
        [
            word_cell(f"PC {place + 1}"),
            number_cell(percent(float(one)), float(one)),
            number_cell(f"{spread:.3g}", float(spread)),
        ]
        for place, (one, spread) in enumerate(zip(share[:10], deviation[:10], strict=True))
    ]
    words = f"Principal components of the latents ({counted(len(share), 'dimension')})"
    return table(("component", "share of variance", "standard deviation"), rows, caption=words)
