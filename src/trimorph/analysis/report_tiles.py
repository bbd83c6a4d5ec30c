"""Rows of small pictures with words under each, and windows on pictures that hold many frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from trimorph.analysis.report_html import Html, data_uri, element, join, picture, text
from trimorph.analysis.report_png import size_of

COLOURS = (
    "#1b4f9c", "#c2571a", "#1f7a4d", "#a11d5b", "#6a4fb3", "#8a6d00", "#0e7c9b", "#b3362c", "#4d5868",
    "#7a4a2b",
)  # fmt: skip
"""Colours of states, dark enough for white figures on them; from the eleventh on they come again."""


@dataclass(frozen=True)
class Tile:
    """A picture, what it shows in words, and what stands under it.

    Where it holds several ``frames`` side by side, a window shows one of them, at first the ``start``-th.
    """

    data: bytes
    alt: str
    under: Html
    frames: int = 1
    start: int = 0
    group: str = ""


def colour_of(place: int) -> str:
    """The colour of a state by its place from 0; grey below, for particles of no state."""
    return "#9aa6b5" if place < 0 else COLOURS[place % len(COLOURS)]


def swatch(place: int) -> Html:
    """A dot in the colour of a state."""
    return Html(f'<span class="swatch" style="background:{colour_of(place)}" aria-hidden="true"></span>')


def strip(tiles: Sequence[Tile], *, name: str = "") -> Html:
    """Pictures in a row, which scrolls where there are too many."""
    head = [element("div", text(name), class_="rowname")] if name else []
    inside = join([*head, *(_tile(tile) for tile in tiles)])
    return element("div", inside, class_="strip", tabindex="0", role="group", aria_label=name or None)


def player(group: str, names: Sequence[str], *, start: int, label: str, screen: bool = False) -> Html:
    """A slider that moves all windows of a group together; it shows where scripts run.

    With a ``screen`` it shows one picture after another of the first row in the element whose data-source
    is the group.
    """
    told, large = escape(json.dumps(list(names)), quote=True), ' data-screen="1"' if screen else ""
    return Html(
        f'<div class="player" data-group="{escape(group, quote=True)}" data-names="{told}"{large}>'
        f"<label>{text(label)} "
        f'<input type="range" min="0" max="{len(names) - 1}" value="{start}" step="1"></label>'
        f'<button type="button">Play</button><output>{text(names[start])}</output></div>'
    )


def _tile(tile: Tile) -> Html:
    width, height = size_of(tile.data)
    if tile.frames == 1:
        shown = picture(tile.data, alt=tile.alt, width=width, height=height)
    else:
        moved = -100 * tile.start / tile.frames
        shown = Html(
            f'<div class="window" style="aspect-ratio:{width // tile.frames}/{height}">'
            f'<img src="{data_uri(tile.data)}" alt="{text(tile.alt)}" data-frames="{tile.frames}" '
            f'data-group="{text(tile.group)}" style="transform:translateX({moved:.4f}%)"></div>'
        )
    return element("div", join([shown, tile.under]), class_="tile")
