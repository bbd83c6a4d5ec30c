"""Pieces of an HTML page: whatever comes from outside is escaped here, and nowhere else.

A :class:`Html` is text that is HTML already; plain text becomes HTML by :func:`text`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NewType

Html = NewType("Html", str)
"""Text that may stand in a page as it is."""

SPACE = "\u00a0"
"""Between a number and its unit, so that no line breaks there."""


@dataclass(frozen=True)
class Cell:
    """What a table shows in one place, and the number by which its column is sorted, if any."""

    shown: Html
    value: float | None = None


def text(value: object) -> Html:
    """Anything as text of a page.

    >>> text("<b>1 & 2</b>")
    '&lt;b&gt;1 &amp; 2&lt;/b&gt;'
    """
    return Html(escape(str(value), quote=True))


def join(parts: Iterable[Html]) -> Html:
    """Pieces one after another."""
    return Html("\n".join(part for part in parts if part))


def element(name: str, inside: Html = Html(""), **attributes: str | None) -> Html:
    """An element with escaped attributes: ``class_`` stands for class, ``data_x`` for data-x, None for none.

    >>> element("p", text("a < b"), class_="note", title='"')
    '<p class="note" title="&quot;">a &lt; b</p>'
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value, quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{said}>{inside}</{name}>")


def paragraph(words: str, *, class_: str | None = None) -> Html:
    """A paragraph of plain words."""
    return element("p", text(words), class_=class_)


def picture(data: bytes, *, alt: str, width: int, height: int, class_: str | None = None) -> Html:
    """A PNG that lies in the page itself; ``width`` and ``height`` are its size in pixels."""
    said = f' class="{escape(class_)}"' if class_ else ""
    size = f'width="{width}" height="{height}"'
    return Html(f'<img src="{data_uri(data)}" alt="{escape(alt, quote=True)}" {size}{said}>')


def data_uri(data: bytes, kind: str = "image/png") -> str:
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def figure(inside: Html, caption: Html, *, class_: str | None = None) -> Html:
    """A picture with the words under it."""
    return element("figure", Html(f"{inside}\n{element('figcaption', caption)}"), class_=class_)


def facts(rows: Iterable[tuple[str, Html]]) -> Html:
    """Names and what is to be said of each."""
    lines = [f"<div>{element('dt', text(name))}{element('dd', value)}</div>" for name, value in rows]
    return Html(f'<dl class="facts">{"".join(lines)}</dl>')


def table(
    head: Sequence[str], rows: Sequence[Sequence[Cell]], *, caption: str, sortable: bool = False
) -> Html:
    """A table that scrolls where it is too wide; the first cell of a row is its head.

    Cells with a value are set to the right; where ``sortable``, a script sorts the rows by them.
    """
    numeric = [all(row[place].value is not None for row in rows) for place in range(len(head))]
    heads = "".join(
        element("th", text(name), scope="col", class_="number" if number else None)
        for name, number in zip(head, numeric, strict=True)
    )
    lines = "".join(f"<tr>{_row(row, numeric)}</tr>\n" for row in rows)
    inside = Html(
        f"{element('caption', text(caption))}<thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}</tbody>"
    )
    inner = element("table", inside, class_="sortable" if sortable else None)
    return element("div", inner, class_="wide", tabindex="0", role="region", aria_label=caption)


def _row(row: Sequence[Cell], numeric: Sequence[bool]) -> str:
    cells = []
    for place, (cell, number) in enumerate(zip(row, numeric, strict=True)):
        value = None if cell.value is None else f"{cell.value:.9g}"
        kind = "number" if number else None
        if place == 0:
            cells.append(element("th", cell.shown, scope="row", class_=kind, data_value=value))
        else:
            cells.append(element("td", cell.shown, class_=kind, data_value=value))
    return "".join(cells)


def how(words: str) -> Html:
    """How to read a section."""
    return Html(f'<aside class="how"><strong>How to read this.</strong> {text(words)}</aside>')


def section(name: str, title: str, *parts: Html) -> Html:
    """A part of the page that the table of contents names."""
    heading = element("h2", text(title))
    return element("section", join([heading, *parts]), id=name)


def code(words: str) -> Html:
    """Commands as they were typed."""
    return element("pre", element("code", text(words)), tabindex="0")


def embedded(name: str, value: Any) -> Html:
    """A value as JSON for the page's script, which nothing in it can end."""
    words = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        words = words.replace(sign, f"\\u{ord(sign):04x}")
    return Html(f'<script type="application/json" id="{escape(name, quote=True)}">{words}</script>')
