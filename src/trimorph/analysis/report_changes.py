"""The part of a report on how each state differs from the mean of all."""

from __future__ import annotations

from collections.abc import Sequence

from trimorph.analysis.analysis import StateFiles
from trimorph.analysis.report_html import Html, element, figure, how, join, section, text
from trimorph.analysis.report_numbers import correlation, percent, resolved
from trimorph.analysis.report_pictures import best_axis, changed, view_words
from trimorph.analysis.report_tiles import Tile, strip, swatch
from trimorph.analysis.state_maps import StateMaps

HOW = (
    "Blue is where a state has more density than the mean of all states, red where it has less: a part that "
    "moves leaves red behind and brings blue, a part that comes or goes is of one colour. The upper row "
    "rests on the particles alone and has their noise; trust what it shares with the lower row, the model's. "
    "Under each picture stand how large the difference is and how well the two half sets agree on it."
)


def changes_section(files: Sequence[StateFiles], maps: StateMaps) -> Html:
    """Projections of every state less the mean: of the particles' own maps, and of the model's.

    Nothing where there is one state alone.
    """
    if len(files) < 2:
        return Html("")
    axis = best_axis(maps.shown)
    decoded, own = maps.decoded - maps.mean(maps.decoded), maps.changes
    rows = []
    if own is not None:
        pictures, _ = changed(own, around=maps.decoded, axis=axis)
        rows.append(_row(files, pictures, maps, name="The particles' own maps"))
    pictures, _ = changed(decoded, around=maps.decoded, axis=axis)
    rows.append(_row(files, pictures, maps, name="The model's maps"))
    words = f"Projections of the differences {view_words(axis)}; each row has a scale of its own."
    if own is not None:
        words += f" The own maps are low-passed to {resolved(maps.resolution)}, which all of them reach."
    shown = figure(element("div", join(rows), class_="rows"), text(words))
    return section("changes", "Differences to the mean", how(HOW), shown)


def _row(files: Sequence[StateFiles], pictures: Sequence[bytes], maps: StateMaps, *, name: str) -> Html:
    own = name.startswith("The particles") and bool(maps.differences)
    tiles = []
    for place, (one, data) in enumerate(zip(files, pictures, strict=True)):
        said = ""
        if own:
            found = maps.differences[place]
            said = f"{percent(found.size)}, agree {correlation(found.correlation)}"
        under = join([swatch(place), element("b", text(one.number)), text(said)])
        tiles.append(Tile(data, f"State {one.number} less the mean, {name.lower()}", under))
    return strip(tiles, name=name)
