"""Which pictures an analysis draws, and what is to be seen on each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trimorph.analysis.analysis import Analysis, Figure
from trimorph.analysis.components import Components
from trimorph.analysis.figures import (
    component_name,
    draw_column,
    draw_column_on_line,
    draw_components,
    draw_junk,
    draw_states,
    draw_states_on_line,
)
from trimorph.analysis.junk import junk_limit
from trimorph.analysis.particle_columns import Columns
from trimorph.analysis.plane import Plane, Shown

COLOURS = (
    "misfit", "uncertainty", "defocus", "astigmatism", "phase_shift", "rot", "tilt", "micrograph", "group",
    "class", "half",
)  # fmt: skip
"""Columns that particles are coloured by, where they are there."""

READS = {
    "misfit": "Junk is explained badly: places of high misfit are to be looked at before they are believed.",
    "uncertainty": "Latents that the images determine badly gather in the middle, or anywhere.",
    "defocus": "A trend says that the latents follow the microscope, not the molecule.",
    "astigmatism": "A trend says that the latents follow the microscope, not the molecule.",
    "phase_shift": "A trend says that the latents follow the microscope, not the molecule.",
    "rot": "A trend says that the latents follow the view, not the molecule.",
    "tilt": "A trend says that the latents follow the view, not the molecule.",
    "micrograph": "A trend along the session says that the latents follow ice or beam, not the molecule.",
    "group": "Groups that lie apart say that the latents follow the microscope, not the molecule.",
    "class": "Where an earlier classification put these particles.",
    "half": "Both half sets have to lie alike.",
}
"""What a picture by a column tells."""


def draw_all(folder: Path, found: Analysis, *, colours: Sequence[str] = ()) -> tuple[Figure, ...]:
    """Draw all pictures into the folder ``figures``: states, components, junk, and the columns.

    ``colours`` are columns beyond those of ``COLOURS``; where there are coordinates of UMAP among the
    columns, states and columns are drawn in its plane, too.
    """
    components, states, columns = found.components, found.states, found.columns
    place = folder / "figures"
    place.mkdir()
    figures = []

    def add(name: str, title: str, caption: str) -> Path:
        figures.append(Figure(Path("figures") / f"{name}.png", title, caption))
        return place / f"{name}.png"

    shown = {
        name: Shown.of(name, columns[name]) for name in dict.fromkeys((*COLOURS, *colours)) if name in columns
    }
    words = "Numbers stand at the particle in the middle of each state; neighbouring numbers are alike."
    for prefix, plane in _planes(components, columns).items():
        on = "in the plane of UMAP" if prefix else "along the principal components"
        path = add(f"{prefix}states", f"States {on}", words)
        if plane is None:
            draw_states_on_line(path, components.scores[:, 0], states, name=component_name(components, 0))
        else:
            draw_states(path, plane, states)
        if not prefix:
            path = add(
                "components", "Principal components", "Their share in the variance, and the first ones."
            )
            draw_components(path, components)
        for name, one in shown.items():
            path = add(f"{prefix}by_{_file_name(name)}", f"Latents by {name}, {on}", READS.get(name, ""))
            if plane is None:
                name = component_name(components, 0)
                draw_column_on_line(path, components.scores[:, 0], one, states, name=name)
            else:
                draw_column(path, plane, one)
    if "misfit" in columns:
        path = add("junk", "Junk", "Far from the mean latent, or explained badly: what lies beyond the line.")
        draw_junk(path, columns["magnitude"], columns["misfit"], junk_limit(columns["misfit"]))
    return tuple(figures)


def _planes(components: Components, columns: Columns) -> dict[str, Plane | None]:
    """The planes that are drawn by the beginning of their files' names; None where latents are on a line."""
    scores = components.scores
    planes: dict[str, Plane | None] = {"": None}
    if scores.shape[1] > 1:
        names = component_name(components, 0), component_name(components, 1)
        planes[""] = Plane(scores[:, 0], scores[:, 1], names)
    if "umap1" in columns:
        planes["umap_"] = Plane(columns["umap1"], columns["umap2"], ("umap1", "umap2"))
    return planes


def _file_name(column: str) -> str:
    """A column's name without what a file's name cannot hold."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in column)
