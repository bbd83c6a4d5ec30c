"""An ensemble of structures for ChimeraX: attributes of residues, and the script that opens all of it."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.data.residues import Residues
from trimorph.run.plain_table import write_lines
from trimorph.run.structures_screws import Screws

COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377",
    "#e07b39", "#3f3f9e", "#8fbf5a", "#c98bb9", "#8c5a2b", "#1f8f8f",
)  # fmt: skip
"""Colours of segments, in their order; of more segments, again from the first."""

STILL = "#c0c0c0"
"""Colour of residues in no segment."""

PATH_COLOURS = ("#f0f0f0", "#fdcc8a", "#fc8d59", "#b30000")
"""Colours of displacement, from none to the largest."""

TURNS, AXIS_LENGTH = 5.0, 40.0
"""Degrees from which a segment's axis is drawn, and how long it is drawn in Å."""

SEGMENT, DISPLACEMENT, FLUCTUATION = "trimorph_segment", "trimorph_displacement", "trimorph_fluctuation"
"""Names of the attributes of residues."""


def segment_colours(count: int) -> list[str]:
    """A colour for each of so many segments."""
    return list(islice(cycle(COLOURS), count))


def write_attributes(path: Path, residues: Residues, attributes: dict[str, ndarray]) -> None:
    """Write a ChimeraX .defattr with numbers of residues, all attributes one after the other.

    A residue is /CHAIN:NUMBER with its insertion code, in all models that are open; integers are written
    without a point. Source: ChimeraX user guide, "Attribute Assignment Files".
    """
    first = residues.first
    places = [
        f"/{chain}:{number}{code}"
        for chain, number, code in zip(first.chain, first.residue, first.insertion, strict=True)
    ]
    lines = []
    for name, values in attributes.items():
        form = "d" if np.issubdtype(values.dtype, np.integer) else ".3f"
        lines += [f"attribute: {name}", "match mode: any", "recipient: residues"]
        lines += [f"\t{place}\t{value:{form}}" for place, value in zip(places, values.tolist(), strict=True)]
    write_lines(path, lines)


def write_script(
    path: Path,
    *,
    maps: list[str],
    segments: int,
    hinges: bool,
    displacement: Float[ndarray, " g"],
    fluctuation: Float[ndarray, " g"],
) -> None:
    """Write the script that opens ensemble and maps, colours by segment, and says how by displacement.

    Without segments, displacement it is that it colours by.
    """
    series = "vseries true" if len(maps) > 1 else ""
    lines = [
        f"# {len(maps)} states of one structure (#1) and their maps (#2), in the same frame",
        "open ensemble.cif",
        f"open {' '.join(maps)} {series}".rstrip(),
        "hide #1 atoms",
        "cartoon #1",
        "volume #2 sdLevel 4 step 1 color #b0b0b0 transparency 0.7",
        "open segments.defattr",
        "open displacement.defattr",
        *(["# axes about which segments turn from the start (#3)", "open hinges.bild"] if hinges else []),
        *_by_segment(segments),
        "# by displacement (Å) between the states that are farthest apart:",
        f"{'#   ' if segments else ''}{attribute_command(DISPLACEMENT, displacement)}",
        "# by root mean square fluctuation (Å) over the particles:",
        f"#   {attribute_command(FLUCTUATION, fluctuation)}",
    ]
    if len(maps) > 1:
        lines += ["# one state at a time: move both sliders", "mseries slider #1", "vseries slider #2"]
    write_lines(path, lines)


def write_hinges(path: Path, screws: Screws) -> bool:
    """Write a ChimeraX .bild of the axes of segments that turn by TURNS or more; whether there is any.

    A segment's axis is that of the state in which it turns most from the start, in the segment's colour.
    """
    from matplotlib.colors import to_rgb

    lines = []
    for own, colour in enumerate(segment_colours(screws.angle.shape[1])):
        state = int(screws.angle[:, own].argmax())
        if screws.angle[state, own] >= TURNS:
            along, hinge = AXIS_LENGTH / 2 * screws.axis[state, own], screws.hinge[state, own]
            ends = (*(hinge - along), *(hinge + along))
            lines.append(".color " + " ".join(f"{value:.3f}" for value in to_rgb(colour)))
            lines.append(".cylinder " + " ".join(f"{value:.3f}" for value in ends) + " 0.5")
    if lines:
        write_lines(path, lines)
    return bool(lines)


def attribute_command(attribute: str, values: Float[ndarray, " g"]) -> str:
    """The ChimeraX command that colours by an attribute, from zero to the largest of its values."""
    ends = np.linspace(0, max(float(values.max(initial=0.0)), 0.1), len(PATH_COLOURS))
    palette = ":".join(f"{end:.3g},{colour}" for end, colour in zip(ends, PATH_COLOURS, strict=True))
    return f"color byattribute r:{attribute} #1 palette {palette} noValueColor {STILL}"


def _by_segment(segments: int) -> list[str]:
    """Lines that colour by segment, if there are segments."""
    if not segments:
        return []
    colours = enumerate(segment_colours(segments), start=1)
    steps = ":".join([f"0,{STILL}", *(f"{number},{colour}" for number, colour in colours)])
    return [
        "# coloured by segment, grey where a residue is in none; segments.csv names them",
        f"color byattribute r:{SEGMENT} #1 palette {steps} noValueColor {STILL}",
    ]
