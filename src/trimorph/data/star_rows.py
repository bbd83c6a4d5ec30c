"""Rows of a star file's particles with the row of their optics group joined on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from trimorph.core.errors import InputError
from trimorph.data.columns import LARGEST, bad_value, missing_column, numbers, whole_numbers
from trimorph.data.star_blocks import StarBlocks


@dataclass(frozen=True, eq=False)
class StarRows:
    """Particle rows, and optics rows where there are any; ``group`` is each particle's optics row.

    A column that stands in the optics block is taken from there, as RELION does.
    """

    source: Path
    block: str
    particles: DataFrame
    optics: DataFrame | None
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.particles)

    @property
    def names(self) -> list[str]:
        """All columns."""
        optics = [] if self.optics is None else list(self.optics.columns)
        return list(dict.fromkeys([*optics, *self.particles.columns]))

    @property
    def group_numbers(self) -> tuple[int, ...]:
        """The optics rows' own numbers."""
        if self.optics is None or "rlnOpticsGroup" not in self.optics.columns:
            return ()
        return tuple(int(float(token)) for token in self.optics["rlnOpticsGroup"])

    def has(self, *columns: str) -> bool:
        """Whether all of these columns are there."""
        return set(columns) <= set(self.names)

    def number(
        self, column: str, *, wanted_for: str, low: float = -LARGEST, high: float = LARGEST
    ) -> NDArray[np.float64]:
        """One checked number a particle.

        Errors: InputError where the column is missing or one of its values is not such a number.
        """
        if self.optics is not None and column in self.optics.columns:
            values = self.optics[column].to_numpy(dtype=object)
            rows = numbers(values, source=self.source, column=column, low=low, high=high, block="optics")
            return rows[self.group]
        if column not in self.particles.columns:
            raise self.missing(column, wanted_for=wanted_for)
        values = self.particles[column].to_numpy(dtype=object)
        return numbers(values, source=self.source, column=column, low=low, high=high)

    def text(self, column: str) -> NDArray[Any] | None:
        """One string a particle; None where the particles have no such column."""
        return self.particles[column].to_numpy(dtype=object) if column in self.particles.columns else None

    def missing(self, column: str, *, wanted_for: str, advice: str = "") -> InputError:
        """The error for a column that is not there."""
        advice = advice or "Write the file again with the program that made it, or add the column."
        return missing_column(self.source, column, found=self.names, wanted_for=wanted_for, advice=advice)


def join_optics(source: Path, blocks: StarBlocks) -> StarRows:
    """Find the particles among the blocks, and the optics row of each.

    Errors: InputError where no block or several could be the particles, where there are no rows, or where a
    particle's optics group is not in the optics block.
    """
    name = _particle_block(source, blocks)
    particles = blocks[name]
    assert isinstance(particles, DataFrame)  # so chosen
    if not len(particles):
        raise InputError(
            f"{source}: block data_{name} has no rows; wanted one for each particle. Was the selection empty?"
        )
    optics = blocks.get("optics")
    if isinstance(optics, dict):
        optics = DataFrame({key: [value] for key, value in optics.items()})
    group = np.zeros(len(particles), dtype=np.int64)
    if optics is not None:
        group = _optics_rows(source, particles, optics)
    return StarRows(source=source, block=name, particles=particles, optics=optics, group=group)


def _particle_block(source: Path, blocks: StarBlocks) -> str:
    named = [
        name
        for name, block in blocks.items()
        if isinstance(block, DataFrame) and "rlnImageName" in block.columns
    ]
    if "particles" in named:
        return "particles"
    if len(named) == 1:
        return named[0]
    listed = ", ".join(f"data_{name}" for name in blocks)
    if named:
        raise InputError(
            f"{source}: blocks {listed}, of which {len(named)} have the column rlnImageName; wanted one, or "
            "one named data_particles. Keep one of them."
        )
    loops = {name: block for name, block in blocks.items() if isinstance(block, DataFrame)}
    columns = [column for block in loops.values() for column in block.columns]
    raise missing_column(
        source,
        "rlnImageName",
        found=columns,
        wanted_for="the images of the particles",
        advice=f"Found blocks {listed}: is this a star file of particles?",
    )


def _optics_rows(source: Path, particles: DataFrame, optics: DataFrame) -> NDArray[np.int64]:
    if not len(optics):
        raise InputError(f"{source}: block data_optics has no rows; wanted one for each optics group.")
    if "rlnOpticsGroup" not in optics.columns or "rlnOpticsGroup" not in particles.columns:
        if len(optics) == 1:
            return np.zeros(len(particles), dtype=np.int64)
        raise missing_column(
            source,
            "rlnOpticsGroup",
            found=[*optics.columns, *particles.columns],
            wanted_for=f"the particles' place among {len(optics)} optics groups",
            advice="Both blocks need it.",
        )
    known = whole_numbers(
        optics["rlnOpticsGroup"].to_numpy(dtype=object),
        source=source,
        column="rlnOpticsGroup",
        block="optics",
    )
    wanted = whole_numbers(
        particles["rlnOpticsGroup"].to_numpy(dtype=object), source=source, column="rlnOpticsGroup"
    )
    order = np.argsort(known, kind="stable")
    twice = np.flatnonzero(np.diff(known[order]) == 0)
    if twice.size:
        raise bad_value(
            source,
            int(order[twice[0] + 1]),
            "rlnOpticsGroup",
            found=int(known[order[twice[0]]]),
            wanted="each optics group once",
            block="optics",
        )
    place = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
    unknown = np.flatnonzero(known[order][place] != wanted)
    if unknown.size:
        row = int(unknown[0])
        groups = ", ".join(map(str, known))
        raise bad_value(
            source, row, "rlnOpticsGroup", found=int(wanted[row]), wanted=f"a group of data_optics ({groups})"
        )
    return order[place].astype(np.int64)
