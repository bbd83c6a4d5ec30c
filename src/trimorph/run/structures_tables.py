"""Tables of moved structures: segments, states, residues, and quality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.data.residues import Residues
from trimorph.run.plain_table import write_table
from trimorph.run.structures_names import NamedSegments
from trimorph.run.structures_quality import Quality
from trimorph.run.structures_screws import Screws


def write_segments(
    path: Path, named: NamedSegments, residues: Residues, screws: Screws, main: Float[ndarray, "s 3"]
) -> None:
    """Write a row a segment: where it begins and ends, how sure that is (residues), and how much it moves.

    The mean and standard deviation of the turn about the main axis (degrees), and the root mean square shift
    of the centre (Å), are those over the particles that ``screws`` are of.
    """
    first = residues.first
    rows = []
    for own, (segment, name) in enumerate(zip(named.segments, named.names, strict=True)):
        members = sorted(segment.residues)
        chains = list(dict.fromkeys(first.chain[members].tolist()))
        ends = [f"{first.residue[i]}{first.insertion[i]}" for i in (members[0], members[-1])]
        rows.append(
            {
                "segment": own + 1,
                "name": name,
                "chain": "+".join(chains),
                "first": ends[0],
                "last": ends[1],
                "residues": len(members),
                "first_sd": segment.spread[0],
                "last_sd": segment.spread[1],
                **_xyz("axis", main[own]),
                "turn_mean": screws.turn[:, own].mean(),
                "turn_sd": screws.turn[:, own].std(),
                "shift_rms": np.sqrt((screws.shift[:, own] ** 2).sum(1).mean()),
                "occupancy_mean": screws.occupancy[:, own].mean(),
            }
        )
    write_table(path, rows)


def write_states(path: Path, screws: Screws, named: NamedSegments) -> None:
    """Write a row a state and segment: the motion from the start, hinges (Å) in the frame of the files."""
    rows = []
    for state in range(len(screws)):
        for own, name in enumerate(named.names):
            rows.append(
                {
                    "state": state + 1,
                    "segment": own + 1,
                    "name": name,
                    **_motion(screws, state, own),
                    "slide": screws.slide[state, own],
                    **_xyz("hinge", screws.hinge[state, own]),
                }
            )
    write_table(path, rows)


def write_residues(
    path: Path,
    residues: Residues,
    *,
    segment: Int[ndarray, " g"],
    share: Float[ndarray, " g"],
    displacement: Float[ndarray, " g"],
    fluctuation: Float[ndarray, " g"],
) -> None:
    """Write a row a residue: its segment (0: none), its share in it, and how far it moves (Å)."""
    first = residues.first
    names = ("chain", "residue", "insertion", "name", "segment", "share", "displacement", "fluctuation")
    columns = (
        first.chain, first.residue, first.insertion, first.residue_name,
        segment, share, displacement, fluctuation,
    )  # fmt: skip
    write_table(path, (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)))


def write_quality(path: Path, states: Quality, random: Quality, particle: Int[ndarray, " r"]) -> None:
    """Write a row a structure: the states by their number, and those of random particles by theirs."""
    labels: list[tuple[str, Any, Any]] = [("state", number + 1, "") for number in range(len(states))]
    labels += [("particle", "", number) for number in particle.tolist()]
    both = Quality.together([states, random])
    names = (
        "clashes", "closest", "bond_rms", "bond_most", "angle_rms", "angle_most", "rmsd", "rmsd_fitted",
    )  # fmt: skip
    columns = [getattr(both, name) for name in names]
    write_table(
        path,
        (
            {"of": of, "state": state, "particle": own} | dict(zip(names, values, strict=True))
            for (of, state, own), values in zip(labels, zip(*columns, strict=True), strict=True)
        ),
    )


def xyz_names(name: str) -> list[str]:
    """Names of three columns."""
    return [f"{name}_{axis}" for axis in "xyz"]


def _motion(screws: Screws, row: int, own: int) -> dict[str, Any]:
    shift = screws.shift[row, own]
    return {
        "turn": screws.turn[row, own],
        "angle": screws.angle[row, own],
        **_xyz("axis", screws.axis[row, own]),
        "shift": np.linalg.norm(shift),
        **_xyz("shift", shift),
        "occupancy": screws.occupancy[row, own],
    }


def _xyz(name: str, vector: Float[ndarray, " 3"]) -> dict[str, float]:
    return dict(zip(xyz_names(name), vector.tolist(), strict=True))
