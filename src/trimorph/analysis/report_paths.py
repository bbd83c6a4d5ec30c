"""The parts of a report on ways through the latents: maps along them, and movies that lie in the folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trimorph.analysis.analysis import Analysis, Traversal
from trimorph.analysis.paths_crowd import crowd
from trimorph.analysis.report_budget import Budget
from trimorph.analysis.report_html import Html, data_uri, element, figure, how, join, picture, section, text
from trimorph.analysis.report_numbers import angstrom, counted, size
from trimorph.analysis.report_pictures import Gallery, best_axis, view_words
from trimorph.analysis.report_png import lighter, size_of
from trimorph.analysis.report_tiles import Tile, player, strip, swatch
from trimorph.analysis.state_maps import StateMaps, read_small

HOW = (
    "Maps of the model at even steps along an axis of the latents, for a principal component from the 5th to "
    "the 95th percentile of the particles; orange is the outline of the mean of the row. A model draws a "
    "smooth way between any two latents, also where no particle is: that maps change smoothly does not show "
    "that the molecule moves continuously. So under each stand the number of particles near it and the "
    "particles' own map of the nearest state."
)

MOVIES = (".gif", ".mp4", ".webm")


def paths_section(folder: Path, analysis: Analysis, maps: StateMaps) -> Html:
    """A strip for each traversal, with a slider where scripts run."""
    strips = [_traversal(folder, analysis, one, maps) for one in analysis.traversals]
    if not strips:
        return Html("")
    return section("paths", "Along the latents", how(HOW), *strips)


def movies_section(folder: Path, budget: Budget) -> Html:
    """Movies in the folder: those that are small enough in the page, the others as links."""
    parts = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix in MOVIES):
        name = path.relative_to(folder).as_posix()
        length = path.stat().st_size
        link = element("a", text(name), href=_address(name))
        if not budget.take(length):
            parts.append(element("p", join([link, text(f"({size(length)}, beside this page)")])))
        elif path.suffix == ".gif":
            shown = Html(f'<img src="{data_uri(path.read_bytes(), "image/gif")}" alt="Movie {text(name)}">')
            parts.append(figure(shown, link))
        else:
            kind = f"video/{path.suffix[1:]}"
            shown = Html(f'<video controls loop muted src="{data_uri(path.read_bytes(), kind)}"></video>')
            parts.append(figure(shown, link))
    if not parts:
        return Html("")
    words = how(
        "Movies are of the model's maps along a path; what holds for the strips above holds for them."
    )
    return section("movies", "Movies", words, *parts)


def pictures_of(folder: Path, paths: Sequence[tuple[Path, str, str]], budget: Budget) -> Html:
    """PNG files with a title and a caption each; those beyond the budget as links."""
    parts = []
    for path, title, caption in paths:
        name = path.as_posix()
        if not (folder / path).is_file():
            continue
        words = join([element("strong", text(f"{title}.")), text(caption)])
        data = lighter((folder / path).read_bytes())
        if budget.take(len(data)):
            width, height = size_of(data)
            shown = picture(data, alt=f"{title}. {caption}", width=width, height=height)
            parts.append(figure(shown, words))
        else:
            link = element("a", text(f"{name} ({size((folder / path).stat().st_size)})"), href=_address(name))
            parts.append(element("p", join([words, text("Too large for this page:"), link])))
    return join(parts)


def _traversal(folder: Path, analysis: Analysis, one: Traversal, maps: StateMaps) -> Html:
    read = [read_small(folder / path) for path in one.maps]
    densities = np.stack([density for density, _ in read])
    axis, near = best_axis(densities), crowd(analysis.embedding.mean, one.z)
    along = Gallery.of(densities, densities.mean(0), densities, axis)
    tiles = [
        Tile(
            along.surface(number),
            f"{one.name}, point {number + 1}: surface of the model's map",
            join([element("b", text(number + 1)), text(f"{count:,} near")]),
        )
        for number, count in enumerate(near.near)
    ]
    rows = [strip(tiles, name="The model's maps")]
    if maps.own is not None and maps.own.shape[1:] == densities.shape[1:]:
        rows.append(_nearest(analysis, one, Gallery.of(maps.own, maps.mean(maps.own), densities, axis)))
    group = f"path-{one.name}"
    names = [f"point {number + 1} of {len(densities)}" for number in range(len(densities))]
    control = player(group, names, start=0, label="Point", screen=True)
    words = (
        f"{one.name}: {counted(len(densities), 'map')}, seen {view_words(axis)}, "
        f"{angstrom(along.maps.shape[-1] * read[0][1])} wide. Half of all particles have {near.usual:,} or "
        f"more others as near. Files: {one.maps[0].parent.as_posix()}/"
    )
    inside = element("div", join(rows), class_="rows", data_source=group)
    return join([element("h3", text(_title(one.name))), control, figure(inside, text(words))])


def _nearest(analysis: Analysis, one: Traversal, own: Gallery) -> Html:
    """The own maps of the states whose centres are nearest to the points."""
    apart = ((one.z[:, None] - analysis.states.z[None]) ** 2).sum(2)
    tiles = []
    for place in apart.argmin(1):
        number = analysis.state_files[int(place)].number
        under = join([swatch(int(place)), text(f"state {number}")])
        tiles.append(
            Tile(own.surface(int(place)), f"Surface of the particles' own map of state {number}", under)
        )
    return strip(tiles, name="Own maps, nearest state")


def _title(name: str) -> str:
    """The name of a traversal as a heading.

    >>> _title("pc1"), _title("path through the graph")
    ('Principal component 1', 'Path through the graph')
    """
    if name.startswith("pc") and name[2:].isdigit():
        return f"Principal component {name[2:]}"
    return name[:1].upper() + name[1:]


def _address(name: str) -> str:
    from urllib.parse import quote

    return quote(name)
