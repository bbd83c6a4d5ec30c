"""Charts as SVG: lines and bars between two axes, drawn by the page itself and sharp at any size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.analysis.report_html import Html, text
from trimorph.analysis.report_numbers import signed

LEFT, RIGHT, TOP, BOTTOM = 54, 14, 14, 44
"""Margins in pixels."""

_RESOLUTIONS = (
    100,
    50,
    40,
    30,
    25,
    20,
    16,
    14,
    12,
    10,
    9,
    8,
    7,
    6,
    5,
    4.5,
    4,
    3.5,
    3,
    2.7,
    2.5,
    2.2,
    2,
    1.8,
    1.5,
)


@dataclass(frozen=True)
class Axis:
    """From where to where an axis goes, what it says, and its ticks, by default round numbers."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] | None = None

    def place(self, value: float, length: float) -> float:
        """Where a value lies on an axis of so many pixels."""
        return length * (value - self.low) / ((self.high - self.low) or 1.0)


@dataclass(frozen=True, eq=False)
class Line:
    """A curve: its points, name, colour, width and, where it is broken, its dashes."""

    x: Float[ndarray, " m"]
    y: Float[ndarray, " m"]
    name: str
    colour: str
    width: float = 2.0
    dash: str | None = None


@dataclass(frozen=True)
class Mark:
    """A dotted line across at a value of an axis ("x" or "y") with a word at its end."""

    axis: str
    value: float
    word: str = ""


def chart(
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    alt: str,
    marks: Sequence[Mark] = (),
    bars: tuple[Float[ndarray, " e"], Float[ndarray, " b"], str] | None = None,
    width: int = 420,
    height: int = 260,
) -> Html:
    """Curves between two axes; ``bars`` are the edges, heights and colour of a histogram behind them."""
    across, up = float(width - LEFT - RIGHT), float(height - TOP - BOTTOM)
    parts = [_grid(x, y, across, up)]
    if bars is not None:
        parts.append(_bars(*bars, x=x, y=y, across=across, up=up))
    parts += [_mark(mark, x, y, across, up) for mark in marks]
    parts += [_line(line, x, y, across, up) for line in lines]
    parts.append(_labels(x, y, across, up))
    return Html(
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{text(alt)}" '
        f'preserveAspectRatio="xMidYMid meet"><g transform="translate({LEFT} {TOP})">'
        f"{''.join(parts)}</g></svg>"
    )


def legend(lines: Sequence[Line]) -> Html:
    """What each curve is, with a piece of it."""
    items = "".join(
        f'<li><svg width="22" height="8" aria-hidden="true"><path d="M0 4H22" stroke="{line.colour}" '
        f'stroke-width="{line.width + 0.5:g}"{_dash(line)}/></svg> {text(line.name)}</li>'
        for line in lines
        if line.name
    )
    return Html(f'<ul class="legend">{items}</ul>')


def round_ticks(low: float, high: float, most: int = 6) -> tuple[tuple[float, str], ...]:
    """Round numbers from low to high, at most so many.

    >>> round_ticks(0.0, 1.0)
    ((0.0, '0'), (0.2, '0.2'), (0.4, '0.4'), (0.6, '0.6'), (0.8, '0.8'), (1.0, '1'))
    """
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * number for number in (1, 2, 2.5, 5, 10) if span / (power * number) < most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [round(number * step, 12) + 0.0 for number in range(first, last + 1)]
    return tuple((value, signed(value)) for value in values)


def frequency_axis(pixel_size: float, *, across: float = 350.0) -> Axis:
    """Spatial frequency up to Nyquist, with ticks where the resolution in Å is round."""
    last, ticks, free = 0.5 / pixel_size, [], 0.0
    for value in _RESOLUTIONS:
        place = across / value / last
        if place <= across and place >= free + 30:
            ticks.append((1 / value, f"{value:g}"))
            free = place
    return Axis("resolution (Å)", 0.0, last, tuple(ticks))


def _grid(x: Axis, y: Axis, across: float, up: float) -> str:
    lines = []
    for value, word in _ticks(x):
        place = x.place(value, across)
        lines.append(f'<path class="grid" d="M{place:.1f} 0V{up}"/>')
        lines.append(f'<text x="{place:.1f}" y="{up + 16}" text-anchor="middle">{text(word)}</text>')
    for value, word in _ticks(y):
        place = up - y.place(value, up)
        lines.append(f'<path class="grid" d="M0 {place:.1f}H{across}"/>')
        lines.append(f'<text x="-7" y="{place + 4:.1f}" text-anchor="end">{text(word)}</text>')
    return "".join(lines)


def _labels(x: Axis, y: Axis, across: float, up: float) -> str:
    return (
        f'<path class="frame" d="M0 0V{up}H{across}"/>'
        f'<text class="label" x="{across / 2}" y="{up + 36}" text-anchor="middle">{text(x.label)}</text>'
        f'<text class="label" transform="translate({-LEFT + 13} {up / 2}) rotate(-90)" '
        f'text-anchor="middle">{text(y.label)}</text>'
    )


def _ticks(axis: Axis) -> tuple[tuple[float, str], ...]:
    return axis.ticks if axis.ticks is not None else round_ticks(axis.low, axis.high)


def _line(line: Line, x: Axis, y: Axis, across: float, up: float) -> str:
    points = [
        f"{np.clip(x.place(float(a), across), 0, across):.1f} "
        f"{up - np.clip(y.place(float(b), up), 0, up):.1f}"
        for a, b in zip(line.x, line.y, strict=True)
        if math.isfinite(a) and math.isfinite(b)
    ]
    if not points:
        return ""
    name = f"<title>{text(line.name)}</title>" if line.name else ""
    return (
        f'<path d="M{"L".join(points)}" fill="none" stroke="{line.colour}" stroke-width="{line.width:g}" '
        f'stroke-linejoin="round"{_dash(line)}>{name}</path>'
    )


def _dash(line: Line) -> str:
    return f' stroke-dasharray="{line.dash}"' if line.dash else ""


def _mark(mark: Mark, x: Axis, y: Axis, across: float, up: float) -> str:
    if mark.axis == "x":
        place = x.place(mark.value, across)
        path, where = f"M{place:.1f} 0V{up}", f'x="{place + 4:.1f}" y="10"'
    else:
        place = up - y.place(mark.value, up)
        path, where = f"M0 {place:.1f}H{across}", f'x="{across - 2}" y="{place - 4:.1f}" text-anchor="end"'
    word = f'<text class="word" {where}>{text(mark.word)}</text>' if mark.word else ""
    return f'<path class="mark" d="{path}"/>{word}'


def _bars(
    edges: Float[ndarray, " e"],
    heights: Float[ndarray, " b"],
    colour: str,
    *,
    x: Axis,
    y: Axis,
    across: float,
    up: float,
) -> str:
    boxes = []
    for low, high, tall in zip(edges[:-1], edges[1:], heights, strict=True):
        left, right, top = x.place(low, across), x.place(high, across), y.place(tall, up)
        boxes.append(
            f'<rect x="{left:.1f}" y="{up - top:.1f}" width="{max(right - left - 0.5, 0.5):.1f}" '
            f'height="{top:.1f}" fill="{colour}"/>'
        )
    return "".join(boxes)
