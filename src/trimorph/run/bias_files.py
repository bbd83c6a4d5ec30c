"""Files of the bias check: tables, maps and structures of the three states, and what ChimeraX needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.data.mrc import write_map
from trimorph.run.bias_compare import STATES, Compared
from trimorph.run.bias_verdict import SegmentVerdict
from trimorph.run.plain_table import write_lines, write_table
from trimorph.run.structures_chimerax import write_attributes
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_names import NamedSegments, residue_names

FOLLOWED, CORRELATION, GAIN = "trimorph_followed", "trimorph_correlation", "trimorph_gain"
"""Attributes of residues: the share of the change that density makes (from -1 to 2), the local correlation
with the moved structure at both ends, and by how much it exceeds that with the unmoved one."""


def write_compared(
    folder: Path,
    structure: MovingStructure,
    compared: Compared,
    verdicts: tuple[SegmentVerdict, ...],
    named: NamedSegments,
    z: Float[ndarray, "v l"],
) -> None:
    """Write residues.csv, segments.csv, the states' densities and structures, bias.defattr and bias.cxc."""
    names = residue_names(structure.residues)
    segment, cc = named.of_residues(len(names)), compared.correlations
    write_table(folder / "segments.csv", (verdict.row() for verdict in verdicts))
    write_table(
        folder / "residues.csv",
        (
            {
                "residue": name,
                "segment": segment[i],
                "motion": compared.motion[i],
                "followed": compared.shares[i],
                **{
                    f"{way}_{state}": cc[number, side, i]
                    for number, state in enumerate(STATES)
                    for side, way in enumerate(("moved", "unmoved"))
                },
            }
            for i, name in enumerate(names)
        ),
    )
    corner = structure.middle - len(compared.unmoved) // 2 * compared.pixel_size
    x, y, zed = (np.round(corner, 3) + 0.0).tolist()
    for way, densities in (("density", compared.decoded), ("structure", compared.structure)):
        for state, density in zip(STATES, densities, strict=True):
            values = density.astype(np.float32)
            write_map(folder / f"{way}_{state}.mrc", values, compared.pixel_size, origin=(x, y, zed))
    structure.template.write(folder / "structure.cif", list(structure.move_atoms(z)))
    ends = cc[[0, -1]].mean(0)
    write_attributes(
        folder / "bias.defattr",
        structure.residues,
        {
            FOLLOWED: compared.shares.clip(-1, 2),
            CORRELATION: ends[0],
            GAIN: ends[0] - ends[1],
        },
    )
    write_lines(folder / "bias.cxc", _script())


def _script() -> list[str]:
    """The ChimeraX script: structures and decoded densities of the states, coloured by what is followed."""
    maps = " ".join(f"density_{state}.mrc" for state in STATES)
    return [
        "# the structure at the start, in the middle and at the end (#1), and the density decoded there (#2)",
        "open structure.cif",
        f"open {maps} vseries true",
        "hide #1 atoms",
        "cartoon #1",
        "volume #2 sdLevel 4 step 1 color #b0b0b0 transparency 0.7",
        "open bias.defattr",
        "# red where density stays, blue where it follows",
        f"color byattribute r:{FOLLOWED} #1 palette 0,#c44e3b:0.5,#e8e8e8:1,#1b4f9c noValueColor #c0c0c0",
        "mseries slider #1",
        "vseries slider #2",
    ]
