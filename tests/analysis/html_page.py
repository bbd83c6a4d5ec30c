"""A page as a parser reads it: its elements in order, checked to be closed as they were opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

EMPTY = {"meta", "img", "br", "input", "link", "hr"}
DRAWN_EMPTY = {"path", "circle", "rect", "image"}
"""Elements without an end."""


@dataclass
class Element:
    """An element, its attributes, what is in it and the text directly in it and below."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def all(self, name: str | None = None, **wanted: str) -> Iterator[Element]:
        """Elements below of a name, and with attributes, if these are given."""
        for child in self.children:
            fits = all(child.attributes.get(key.rstrip("_")) == value for key, value in wanted.items())
            if (name is None or child.name == name) and fits:
                yield child
            yield from child.all(name, **wanted)

    @property
    def text(self) -> str:
        """All text of the element, blanks put together."""
        return " ".join(" ".join(self.words).split())


class Page(HTMLParser):
    """Reads a page into its elements, or raises AssertionError where it is not well-formed."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]
        self.feed(source)
        self.close()
        assert [one.name for one in self._open] == [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in EMPTY:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in DRAWN_EMPTY, f"{tag} cannot be closed in itself"
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert tag not in EMPTY
        assert self._open[-1].name == tag, f"</{tag}> closes {[one.name for one in self._open]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.words.append(data)
