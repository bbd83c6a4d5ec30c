"""The parts of a report on the states: the table, their maps side by side, and a card for each."""

from __future__ import annotations

from collections.abc import Sequence

from trimorph.analysis.analysis import StateFiles
from trimorph.analysis.report_cards import card
from trimorph.analysis.report_html import (
    Cell,
    Html,
    element,
    figure,
    how,
    join,
    paragraph,
    section,
    table,
    text,
)
from trimorph.analysis.report_numbers import (
    UNKNOWN,
    angstrom,
    correlation,
    counted,
    number_cell,
    percent,
    resolved,
)
from trimorph.analysis.report_pictures import Gallery, best_axis, view_words
from trimorph.analysis.report_tiles import Tile, player, strip, swatch
from trimorph.analysis.state_curves import StateCurves
from trimorph.analysis.state_maps import StateMaps

HOW = (
    "Each state is a group of particles whose latents lie together. Two maps are shown of each: the "
    "particles' own reconstruction around the state's centre, from the images alone, with its half-map FSC; "
    "and the model's map at the centre, which is smoother, shows no noise, and may show what it learned from "
    "other particles. Believe a difference where both show it, at a resolution that the own map reaches. The "
    "own map takes fine detail from particles farther away, as far as half sets say that it pays, so that "
    "its resolution is in part that of its neighbours. The effective number is how many particles of equal "
    "weight would have as little noise. Shares of states say how latents were parted, not how a population "
    "is divided, unless the latents themselves fall into separate clouds."
)

HOW_CARDS = (
    "The two maps of a state in one frame and, each kind for itself, one range of greys; slices are those in "
    "which the states differ most. The blue curve is the FSC of the two half maps of the particles' own map, "
    "corrected for the mask; it crosses 0.143 at the resolution. The orange one is the FSC of own map and "
    "model's map: where it lies well below the blue one, the model does not draw what its particles show."
)

HEAD = (
    "state",
    "particles",
    "share",
    "effective particles",
    "resolution",
    "own map to model",
    "differs from mean",
    "half sets agree",
)
SAID_BY_LATENTS = 3
"""Columns that need no maps."""


def states_section(files: Sequence[StateFiles], maps: StateMaps, *, name: str) -> Html:
    """The table, and slices to go through."""
    own, decoded = galleries(maps)
    return section(
        "states",
        "States",
        how(HOW),
        states_table(files, maps, name=name),
        element("h3", text("Slices through all states")),
        _through(files, own, decoded, maps.pixel_size),
    )


def cards_section(files: Sequence[StateFiles], maps: StateMaps, curves: Sequence[StateCurves]) -> Html:
    """A card a state."""
    own, decoded = galleries(maps)
    cards = [
        card(place, one, own=own, decoded=decoded, curves=curves[place]) for place, one in enumerate(files)
    ]
    return section("each", "State by state", how(HOW_CARDS), *cards)


def galleries(maps: StateMaps) -> tuple[Gallery | None, Gallery]:
    """The own maps, if there are any, and the model's, in one frame and seen along one axis."""
    axis = best_axis(maps.shown)
    own = None if maps.own is None else Gallery.of(maps.own, maps.mean(maps.own), maps.decoded, axis)
    return own, Gallery.of(maps.decoded, maps.mean(maps.decoded), maps.decoded, axis)


def states_table(files: Sequence[StateFiles], maps: StateMaps, *, name: str) -> Html:
    """A row a state; a script sorts it by any column."""
    rows = []
    for place, one in enumerate(files):
        found = maps.differences[place] if maps.differences else None
        effective = UNKNOWN if one.effective is None else counted(round(one.effective))
        rows.append(
            [
                Cell(join([swatch(place), text(one.number)]), float(one.number)),
                number_cell(counted(one.particles), one.particles),
                number_cell(percent(one.share), one.share),
                number_cell(effective, one.effective),
                number_cell(resolved(one.resolution), one.resolution),
                number_cell(correlation(one.agreement), one.agreement),
                number_cell(UNKNOWN if found is None else percent(found.size), found.size if found else None),
                number_cell(correlation(agree := found.correlation if found else None), agree),
            ]
        )
    words = (
        "Effective particles and resolution (half maps at FSC 0.143) are those of the particles' own map. "
        "Own map to model: their mean FSC up to that resolution. Differs from mean: what both half sets "
        "share of the own map's difference to the mean of all, rms in parts of the mean map's, low-passed to "
        f"{resolved(maps.resolution)}. Half sets agree: the correlation of that difference between them, 0 "
        "where it is noise."
    )
    known = [place for place in range(len(HEAD)) if any(row[place].shown != UNKNOWN for row in rows)]
    head, rows = [HEAD[place] for place in known], [[row[place] for place in known] for row in rows]
    shown = table(head, rows, caption=f"{counted(len(files), 'state')} ({name})", sortable=True)
    return shown if len(known) <= SAID_BY_LATENTS else join([shown, paragraph(words, class_="under")])


def side_by_side(files: Sequence[StateFiles], maps: StateMaps) -> Html:
    """Surfaces of all states with the mean's outline: what moves, at one look."""
    own, decoded = galleries(maps)
    rows = []
    for kind, gallery in (("The particles' own maps", own), ("The model's maps", decoded)):
        if gallery is None:
            continue
        tiles = []
        for place, one in enumerate(files):
            said = percent(one.share)
            if gallery is own and one.resolution is not None:
                said = f"{resolved(one.resolution)}"
            under = join([swatch(place), element("b", text(one.number)), text(said)])
            alt = f"Surface of state {one.number}, {kind.lower()}, seen {view_words(gallery.axis)}"
            tiles.append(Tile(gallery.surface(place), alt, under))
        rows.append(strip(tiles, name=kind))
    words = (
        f"All states from one side, {view_words(decoded.axis)}, each row at one level; a picture is "
        f"{angstrom(decoded.maps.shape[-1] * maps.pixel_size)} wide. The orange line is "
        "the outline of the mean of all. Under each: its number and "
        + ("the resolution of the own map, or the share of particles." if own else "its share of particles.")
    )
    return figure(element("div", join(rows), class_="rows"), text(words))


def _through(files: Sequence[StateFiles], own: Gallery | None, decoded: Gallery, pixel_size: float) -> Html:
    count, rows = len(decoded.depths), []
    for kind, gallery in (("The particles' own maps", own), ("The model's maps", decoded)):
        if gallery is None:
            continue
        tiles = [
            Tile(
                gallery.through(place),
                f"Slice of state {one.number}, {kind.lower()}",
                join([swatch(place), element("b", text(one.number))]),
                frames=count,
                start=decoded.start,
                group="slices",
            )
            for place, one in enumerate(files)
        ]
        rows.append(strip(tiles, name=kind))
    names = [f"slice {number + 1} of {count}" for number in range(count)]
    control = player("slices", names, start=decoded.start, label="Depth")
    words = (
        f"Slices across {'zyx'[decoded.axis]}, {angstrom(decoded.maps.shape[-1] * pixel_size)} wide, all "
        "states at one depth; at first where they differ most."
    )
    return join([control, figure(element("div", join(rows), class_="rows"), text(words))])
