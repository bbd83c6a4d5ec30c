"""The part of a report on the particles."""

from __future__ import annotations

from trimorph.analysis.data_summary import DataSummary, data_facts
from trimorph.analysis.report_html import (
    Html,
    element,
    facts,
    figure,
    how,
    join,
    paragraph,
    picture,
    section,
    text,
)
from trimorph.analysis.report_png import lighter, size_of

HOW = (
    "Defocus should spread over some tenths of a µm or more, so that the zeros of the CTF fall in different "
    "places. Views should cover the whole sphere: a sampling compensation near 1 is even, and below about "
    "0.5 the map is smeared along directions that few views see, and motion along them is not determined. "
    "The images' power should lie above that of the noise at low frequency and meet it at high frequency; "
    "the mean of the centred images should show one bright, centred particle."
)


def data_section(summary: DataSummary) -> Html:
    """Facts of the particle file, its picture and its remarks."""
    parts = [how(HOW)]
    if summary.problem:
        parts.append(paragraph(f"The particles could not be read again: {summary.problem}"))
    parts.append(facts((name, text(value)) for name, value in data_facts(summary)))
    if summary.picture is not None and summary.picture.is_file():
        parts.append(_picture(summary))
    if summary.info is not None and summary.info.remarks:
        items = join(element("li", text(remark)) for remark in summary.info.remarks)
        parts += [element("h3", text("Remarks on the file")), element("ul", items)]
    return section("data", "Particles", *parts)


def _picture(summary: DataSummary) -> Html:
    data = b"" if summary.picture is None else lighter(summary.picture.read_bytes())
    width, height = size_of(data)
    alt = (
        "Six panels: histogram of the defocus, map of view directions, shifts, radial power spectrum of "
        "images and noise, nine example images, and the mean of the centred images."
    )
    shown = picture(data, alt=alt, width=width, height=height, class_="broad")
    words = "Particles as they were used: optics, poses, spectrum, examples and mean."
    return figure(element("div", shown, class_="scroll", tabindex="0"), text(words))
