"""The last part of a report: where the files lie, and how to open them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from urllib.parse import quote

from trimorph.analysis.report_html import Cell, Html, code, element, how, join, section, table, text
from trimorph.analysis.report_numbers import counted, number_cell, size, word_cell

HOW = (
    "Paths are relative to the folder of the analysis; the links work where this page still lies in it. Maps "
    "have the box and pixel size of the particles and lie on one another. Open the ChimeraX script in "
    "ChimeraX by double click or with: chimerax analysis.cxc"
)

MEANINGS = {
    "particles.csv": "a row a particle: latents, components, state, what the particle file says",
    "states.csv": "a row a state: particles, resolution, latents of the centre",
    "analysis.cxc": "opens the maps of all states in ChimeraX",
    "report.html": "this page",
}

KINDS = {
    ".mrc": "map",
    ".cif": "structure",
    ".pdb": "structure",
    ".png": "picture",
    ".csv": "table",
    ".cxc": "script for ChimeraX",
    ".gif": "movie",
    ".mp4": "movie",
}
"""What files of other names are, by their endings."""


def files_section(folder: Path, shown: Path) -> Html:
    """Files and folders with their sizes; ``shown`` is where all of it lies, which it may not yet do."""
    paths = sorted(folder.iterdir())
    rows = [_folder(path, folder) for path in paths if path.is_dir()]
    rows += [_file(path, folder) for path in paths if path.is_file()]
    parts = [how(HOW), element("p", join([text("Folder:"), element("code", text(shown))]))]
    script = folder / "analysis.cxc"
    if script.is_file():
        parts.append(code(f"chimerax {shown / script.name}"))
    return section(
        "files", "Files", *parts, table(("file", "size", "what it is"), rows, caption="folders and files")
    )


def _file(path: Path, folder: Path) -> list[Cell]:
    name = path.relative_to(folder).as_posix()
    length = path.stat().st_size
    link = element("a", text(name), href=quote(name))
    return [Cell(link), number_cell(size(length), length), word_cell(_meaning(name))]


def _folder(path: Path, folder: Path) -> list[Cell]:
    files = [one for one in path.rglob("*") if one.is_file()]
    name = f"{path.relative_to(folder).as_posix()}/"
    total = sum(one.stat().st_size for one in files)
    kinds = Counter(KINDS.get(one.suffix, "other file") for one in files)
    said = ", ".join(counted(count, kind) for kind, count in sorted(kinds.items()))
    return [
        Cell(element("a", text(name), href=quote(name))),
        number_cell(size(total), total),
        word_cell(said),
    ]


def _meaning(name: str) -> str:
    return MEANINGS.get(name, KINDS.get(Path(name).suffix, ""))
