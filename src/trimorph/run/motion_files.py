"""A motion of Gaussians as a table, as arrows and points for ChimeraX, and the script that opens them.

All coordinates are those of the written maps: Å from the centre of their first voxel.
"""

from __future__ import annotations

from math import pi
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from trimorph.data.atomic import atomic_path
from trimorph.run.motion_cloud import CloudMotion
from trimorph.run.motion_region import map_frame

COLOURS = "viridis"
"""Colours of arrows by length, from dark to bright."""

MOST_ARROWS, SHORTEST, FAINTEST = 1500, 0.2, 0.1
"""How many arrows are drawn at most; the shortest, relative to the longest; and the faintest Gaussian that
gets one, relative to the mean amplitude."""

COLUMNS = ("number", "x", "y", "z", "dx", "dy", "dz", "length", "amplitude", "amplitude_end", "width")


def write_table(path: Path, motion: CloudMotion, *, box: int, pixel_size: float) -> None:
    """Write a row a Gaussian: where it starts, how it moves (Å), its amplitudes (Å^3) and width (Å)."""
    start = map_frame(motion.position[0], box=box, pixel_size=pixel_size)
    number = np.arange(1, len(start) + 1)
    numbers = (number, start, motion.displacement, motion.length, *motion.amplitude, motion.width[0])
    form = ["%d", *["%.4f"] * 7, *["%.6g"] * 3]
    with atomic_path(path) as temporary:
        np.savetxt(
            temporary,
            np.column_stack(numbers),
            fmt=form,
            delimiter=",",
            header=",".join(COLUMNS),
            comments="",
        )


def shown_arrows(motion: CloudMotion) -> Bool[ndarray, " g"]:
    """Gaussians whose arrows are drawn: those that go far, and are not too faint to be seen."""
    size = np.abs(motion.amplitude).max(0)
    length = np.where(size >= FAINTEST * size.mean(), motion.length, 0.0)
    most = np.sort(length)[::-1][: MOST_ARROWS + 1][-1] if len(length) > MOST_ARROWS else -1.0
    return (length > 0) & (length >= SHORTEST * length.max()) & (length > most)


def write_arrows(path: Path, motion: CloudMotion, *, box: int, pixel_size: float) -> None:
    """Write a ChimeraX .bild of arrows from start to end, coloured by their length."""
    from matplotlib import colormaps

    shown = shown_arrows(motion)
    ends = map_frame(motion.position, box=box, pixel_size=pixel_size)[:, shown]
    length = motion.length[shown]
    colour = colormaps[COLOURS](length / max(length.max(initial=0.0), 1e-9))[:, :3]
    shaft = 0.12 * pixel_size
    lines = [f".comment {len(length)} arrows, the longest {length.max(initial=0.0):.2f} A"]
    for start, end, rgb in zip(*ends, colour, strict=True):
        lines.append(".color " + " ".join(f"{value:.3f}" for value in rgb))
        numbers = " ".join(f"{value:.3f}" for value in (*start, *end, shaft, 2.5 * shaft, 0.7))
        lines.append(f".arrow {numbers}")
    _write(path, lines)


def write_points(path: Path, motion: CloudMotion, state: int, *, box: int, pixel_size: float) -> None:
    """Write the Gaussians of the start (0) or the end (1) as atoms in mmCIF.

    Occupancy is the amplitude over the largest one of both states, the B-factor 8 pi^2 width^2.
    """
    place = map_frame(motion.position[state], box=box, pixel_size=pixel_size)
    occupancy = motion.amplitude[state] / max(float(np.abs(motion.amplitude).max()), 1e-300)
    b_factor = 8 * pi**2 * motion.width[state] ** 2
    chain = gemmi.Chain("A")
    for number, numbers in enumerate(zip(place, occupancy, b_factor, strict=True), start=1):
        residue, atom = gemmi.Residue(), gemmi.Atom()
        residue.name, residue.seqid, residue.het_flag = "UNL", gemmi.SeqId(number, " "), "H"
        atom.name, atom.element, atom.serial = "C", gemmi.Element("C"), number
        atom.pos, atom.occ, atom.b_iso = gemmi.Position(*numbers[0]), float(numbers[1]), float(numbers[2])
        residue.subchain, residue.entity_id, residue.entity_type = "A", "1", gemmi.EntityType.NonPolymer
        residue.add_atom(atom)
        chain.add_residue(residue)
    model = gemmi.Model(1)
    model.add_chain(chain)
    structure = gemmi.Structure()
    structure.name = path.stem
    structure.add_model(model)
    entity = gemmi.Entity("1")
    entity.entity_type, entity.subchains = gemmi.EntityType.NonPolymer, ["A"]
    structure.entities = gemmi.EntityList([entity])
    with atomic_path(path) as temporary:
        structure.make_mmcif_document().write_file(str(temporary))


def write_script(path: Path) -> None:
    """Write the ChimeraX script: the start as a grey cloud, the end in blue, arrows, and hidden points."""
    _write(
        path,
        [
            "open start.mrc end.mrc",
            "open arrows.bild",
            "open start.cif end.cif",
            "volume #1 sdLevel 4 step 1 color #b0b0b0 transparency 0.6",
            "volume #2 sdLevel 4 step 1 color #1b4f9c transparency 0.8",
            "hide #4-5 models",
        ],
    )


def _write(path: Path, lines: list[str]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
