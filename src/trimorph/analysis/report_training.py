"""The part of a report on training: how each term of the loss fell, and whether it still falls."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.analysis.report_chart import Axis, Line, Mark, chart, round_ticks
from trimorph.analysis.report_html import Html, element, figure, how, join, paragraph, section, text
from trimorph.analysis.report_numbers import resolved

HOW = (
    "Each panel is one term of the loss, lower is better; the faint line is of single steps, the strong one "
    "of whole epochs. A new stage (dotted) brings in finer frequencies, so that the value may jump "
    "there: only values of one stage compare. The likelihood should be flat at the end. A divergence that "
    "goes to zero means that latents carry nothing."
)

STRONG, FAINT = "#1b4f9c", "#a9c3e6"

STILL = 0.02
"""Share of the fall over the whole training; a last epoch that falls by more is not at its end."""


def training_section(metrics: list[dict[str, Any]]) -> Html:
    """A chart a term, with the stages."""
    epochs = [line for line in metrics if line["kind"] == "epoch"]
    if not epochs:
        return section("training", "Training", how(HOW), paragraph("metrics.jsonl holds no finished epoch."))
    charts = join(_term(name, metrics) for name in epochs[-1]["terms"])
    return section("training", "Training", how(HOW), element("div", charts, class_="trio"), _verdict(metrics))


def last_fall(metrics: list[dict[str, Any]]) -> float | None:
    """How much the sum of terms fell in the last epoch, as a share of what it fell in all.

    None where the last stage has one epoch alone, so that nothing compares.
    """
    epochs = [line for line in metrics if line["kind"] == "epoch"]
    if len(epochs) < 3 or epochs[-1]["stage"] != epochs[-2]["stage"]:
        return None
    total = np.array([sum(line["terms"].values()) for line in epochs])
    fall = float(total.max() - total.min())
    return float(total[-2] - total[-1]) / fall if fall > 0 else 0.0


def _verdict(metrics: list[dict[str, Any]]) -> Html:
    fall = last_fall(metrics)
    if fall is None:
        words = "The last stage has one epoch alone, so that this log cannot say whether the loss still fell."
    elif fall > STILL:
        words = f"In the last epoch the loss fell by {100 * fall:.1f} % of all its fall: train longer."
    else:
        words = (
            f"In the last epoch the loss fell by {100 * max(fall, 0.0):.1f} % of all its fall: it is flat."
        )
    return paragraph(words)


def _term(name: str, metrics: list[dict[str, Any]]) -> Html:
    """One term over the epochs: steps faint, epochs strong, stages marked."""
    epochs = [line for line in metrics if line["kind"] == "epoch" and name in line["terms"]]
    steps = [line for line in metrics if line["kind"] == "step" and name in line["terms"]]
    scale = epochs[-1]["step"] / epochs[-1]["epoch"]
    points = [(line["step"] / scale, line["terms"][name]) for line in steps]
    means = [(line["epoch"] - 0.5, line["terms"][name]) for line in epochs]
    lines = [_curve(points, "steps", FAINT, 1.2), _curve(means, "epochs", STRONG, 2.2)]
    low, high = _limits(np.array([value for _, value in means]), np.array([value for _, value in points]))
    ticks = round_ticks(low, high, 5)
    last = float(epochs[-1]["epoch"])
    x = Axis("epoch", 0.0, last, round_ticks(0.0, last, 7) if last > 6 else None)
    words = f"{name} over {last:.0f} epochs: {means[0][1]:.4g} at first, {means[-1][1]:.4g} at the end"
    shown = chart(
        lines, x, Axis("", low, high, ticks), alt=words, marks=_stages(epochs), width=360, height=230
    )
    caption = join(
        [element("strong", text(name)), text(f"{means[0][1]:.4g} at first, {means[-1][1]:.4g} at the end")]
    )
    return figure(shown, caption)


def _curve(points: list[tuple[float, float]], name: str, colour: str, width: float) -> Line:
    values = np.array(points, dtype=float).reshape(-1, 2)
    return Line(values[:, 0], values[:, 1], name, colour, width)


def _limits(means: Float[ndarray, " e"], steps: Float[ndarray, " m"]) -> tuple[float, float]:
    """From the least to the largest of all, but for a few steps: the very first may be far off."""
    some = np.concatenate([means, np.quantile(steps, (0.02, 0.95))]) if len(steps) else means
    low, high = float(some.min()), float(some.max())
    room = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _stages(epochs: list[dict[str, Any]]) -> list[Mark]:
    """Where a stage begins, with its resolution where that is another one than before and there is room."""
    marks: list[Mark] = []
    stage, said, free = None, "", -1.0
    for line in epochs:
        if line["stage"] == stage:
            continue
        start, limit = line["epoch"] - 1, line.get("resolution")
        word = line["stage"] if limit is None else resolved(limit)
        room = start >= free and word != said
        marks.append(Mark("x", float(start), word if room else ""))
        stage, said = line["stage"], word
        free = start + 0.16 * epochs[-1]["epoch"] if room else free
    return marks
