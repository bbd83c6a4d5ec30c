"""Whether a particle file and the headers of its stacks say the same."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from trimorph.core.errors import InputError
from trimorph.data.mrc import open_stack
from trimorph.data.open import ParticleInput, open_table
from trimorph.data.tables import ParticleTable, TableWarning

_SAME = 0.01
"""Relative difference of two pixel sizes that is let pass: a calibration."""


def header_remarks(particles: ParticleInput, table: ParticleTable) -> list[str]:
    """Disagreements on pixel size, box, number of images and file name, one sentence each."""
    stated = _as_stated(particles, int(table.box[0]))
    remarks = _against_the_file(particles, table, stated)
    said: dict[str, str] = {}
    for number in np.unique(table.stack):
        path = table.stacks[number]
        if not path.exists():
            continue
        rows = table.stack == number
        stack = open_stack(path)
        size = float(table.pixel_size[rows][0])
        header = stack.pixel_size
        if header is not None and abs(header - size) > _SAME * size:
            hint = " (1 often means: not set)" if abs(header - 1) < 1e-6 else ""
            said.setdefault(
                "size",
                f"{path}: the header says pixels of {header:.4g} Å{hint}; {size:.4g} Å is used, from "
                f"{'--source-pixel-size' if particles.source_pixel_size else table.source.name}.",
            )
        used = len(np.unique(table.slice[rows]))
        if used != stack.shape[0] and _everything(particles):
            said.setdefault(
                "count",
                f"{path}: the stack has {stack.shape[0]} images, and {table.source.name} names {used} of "
                "them. Do they belong together?",
            )
    return [*remarks, *said.values()]


def _as_stated(particles: ParticleInput, box: int) -> ParticleTable | None:
    """The table as the file has it, without what the user overrides; ``box`` is for files that do not say."""
    bare = replace(particles, stack=None, source_pixel_size=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        for known in (None, box):
            try:
                return open_table(bare, need_images=False, box=known)
            except (InputError, FileNotFoundError):
                continue
    return None


def _against_the_file(
    particles: ParticleInput, table: ParticleTable, stated: ParticleTable | None
) -> list[str]:
    if stated is None:
        return []
    remarks, source = [], table.source.name
    size, used = float(stated.pixel_size[0]), float(table.pixel_size[0])
    if abs(size - used) > _SAME * used:
        remarks.append(f"{source}: the file says pixels of {size:.4g} Å; {used:.4g} Å is used, as given.")
    box, found = int(stated.box[0]), int(table.box[0])
    if box != found:
        remarks.append(f"{source}: the file says a box of {box} pixels; the stack has {found}.")
    named = {path.name for path in stated.stacks}
    given = {path.name for path in table.stacks}
    if named != given:
        remarks.append(
            f"{source}: the file names the stack {min(named)}; {min(given)} is used, as given. Do they "
            "belong together?"
        )
    return remarks


def _everything(particles: ParticleInput) -> bool:
    """Whether no part of the file was selected."""
    chosen = (particles.index, particles.subset, particles.half, particles.first, particles.optics_group)
    return all(choice is None for choice in chosen)
