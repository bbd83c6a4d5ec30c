"""A card of each state: its two maps from all sides, and how well its particles determine it."""

from __future__ import annotations

from trimorph.analysis.analysis import StateFiles
from trimorph.analysis.report_chart import Axis, Line, Mark, chart, frequency_axis, legend
from trimorph.analysis.report_html import Html, element, figure, join, picture, text
from trimorph.analysis.report_numbers import counted, percent, resolved
from trimorph.analysis.report_pictures import Gallery
from trimorph.analysis.report_png import size_of
from trimorph.analysis.report_tiles import swatch
from trimorph.analysis.state_curves import StateCurves

HALVES, MODEL = "#1b4f9c", "#c2571a"


def card(
    place: int, state: StateFiles, *, own: Gallery | None, decoded: Gallery, curves: StateCurves
) -> Html:
    """Projections and slices of the own map and of the model's, with the FSC curves beside."""
    views = []
    for kind, gallery, path in (
        ("The particles' own map", own, state.own),
        ("The model's map at the centre", decoded, state.map),
    ):
        if gallery is None or path is None:
            continue
        views.append(element("h4", join([text(f"{kind},"), element("code", text(path))])))
        name = f"State {state.number}, {kind[0].lower()}{kind[1:]}"
        pair = [
            _views(gallery.projections(place), name, "projection along"),
            _views(gallery.slices(place), name, "slice across"),
        ]
        views.append(element("div", join(pair), class_="pair"))
    if state.structure is not None:
        views.append(
            element("p", join([text("Atoms at the centre:"), element("code", text(state.structure))]))
        )
    inside = join([element("div", join(views)), _curve(state, curves)])
    title = join([swatch(place), text(f"State {state.number}")])
    parts = [element("h3", title), element("p", text(_words(state))), element("div", inside, class_="inside")]
    return element("article", join(parts), class_="card", id=f"state-{state.number}")


def _words(state: StateFiles) -> str:
    words = f"{counted(state.particles, 'particle')} ({percent(state.share)})"
    if state.resolution is not None:
        words += f"; own map to {resolved(state.resolution)}"
    if state.effective is not None:
        words += f" from effectively {counted(round(state.effective), 'particle')}"
    return words


def _views(data: list[bytes], name: str, what: str) -> Html:
    """Pictures of one kind along or across z, y and x."""
    shown = []
    for one, axis in zip(data, "zyx", strict=True):
        width, height = size_of(one)
        shown.append(picture(one, alt=f"{name}: {what} {axis}", width=width, height=height))
    words = text(f"{what.replace('ion ', 'ions ').replace('ice ', 'ices ')} z, y, x")
    return figure(element("div", join(shown), class_="three"), words)


def _curve(state: StateFiles, curves: StateCurves) -> Html:
    """FSC of the half maps, and of own map and model's."""
    if curves.halves is None or curves.with_model is None:
        return element("p", text("No own map was made, so that nothing says how sure the model's is."))
    lines = [
        Line(curves.frequency, curves.halves, "half maps of the own map", HALVES),
        Line(curves.frequency, curves.with_model, "own map and model's map", MODEL, dash="5 3"),
    ]
    ticks = tuple((value, f"{value:g}") for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    reach = resolved(state.resolution)
    shown = chart(
        lines,
        frequency_axis(curves.pixel_size),
        Axis("Fourier shell correlation", -0.1, 1.0, ticks),
        alt=f"Fourier shell correlation of state {state.number}; its half maps reach {reach} at 0.143",
        marks=[Mark("y", 0.143, "0.143")],
    )
    return figure(shown, legend(lines))
