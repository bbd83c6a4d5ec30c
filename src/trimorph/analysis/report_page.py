"""The page around the parts of a report: one file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from trimorph.analysis.report_html import Html, element, join, text

_HEADING = re.compile(r'<section id="([^"]+)"><h2>(.*?)</h2>', re.S)

POLICY = (
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)
"""What a browser may load: nothing but what is in the page."""


def page(*, title: str, under: str, sections: Sequence[Html], foot: str) -> Html:
    """A whole page with its contents, style and script; empty sections are left out."""
    parts = [one for one in sections if one]
    found = [match for one in parts if (match := _HEADING.search(one))]
    contents = join(element("li", element("a", Html(match[2]), href=f"#{match[1]}")) for match in found)
    body = join(
        [
            element("header", join([element("h1", text(title)), element("p", text(under))]), class_="top"),
            element("nav", element("ol", contents), class_="contents", aria_label="Contents"),
            element("main", join(parts)),
            element("footer", text(foot)),
        ]
    )
    return Html(
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">\n'
        f"<title>{text(title)}</title>\n<style>\n{_asset('report.css')}</style>\n</head>\n"
        f'<body>\n<div class="page">\n{body}\n</div>\n'
        f"<script>\n{_asset('report.js')}</script>\n</body>\n</html>\n"
    )


def _asset(name: str) -> str:
    return files("trimorph.analysis").joinpath("report_assets", name).read_text(encoding="utf-8")
