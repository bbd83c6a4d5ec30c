"""Backbone: one atom of every residue, and which of them the chain holds at fixed distances and angles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.data.residues import Residues, trace_rows
from trimorph.data.structure import Structure

BONDED = {"CA": 4.5, "C1'": 8.0, "P": 8.5}
"""Atoms that stand for a residue, and the distance in Å within which two of a chain are neighbours in it."""

OTHER = ""
"""Name of what stands for a residue that has none of these: its centroid."""


@dataclass(frozen=True, eq=False)
class Backbone:
    """Points (g, 3) in Å, one a residue, with the atoms' names.

    ``bonds`` are pairs of neighbours in a chain, ``angles`` triples of three in a row.
    """

    position: Float[ndarray, "g 3"]
    atom: tuple[str, ...]
    bonds: Int[ndarray, "b 2"]
    angles: Int[ndarray, "a 3"]

    @classmethod
    def of(cls, structure: Structure, residues: Residues) -> Backbone:
        """CA of protein, C1' (or P) of nucleic acid, and the centroid of what has neither.

        Neighbours follow each other in the file, have one chain, and atoms of one kind within BONDED: where
        residues are missing, the chain is not held.
        """
        rows = trace_rows(structure, residues.atoms.residue)
        position = np.where(rows[:, None] >= 0, structure.position[rows], residues.position)
        atom = [str(structure.atom_name[row]) if row >= 0 else OTHER for row in rows]
        chain = residues.chains
        reach = np.array([BONDED.get(name, 0.0) for name in atom])
        apart = np.linalg.norm(np.diff(position, axis=0), axis=1)
        alike = np.array([a == b for a, b in zip(atom[1:], atom[:-1], strict=True)], dtype=bool)
        held = alike & (chain[1:] == chain[:-1]) & (apart < reach[1:])
        first = np.flatnonzero(held)
        middle = np.flatnonzero(held[1:] & held[:-1])
        return cls(
            position,
            tuple(atom),
            np.stack([first, first + 1], axis=1),
            np.stack([middle, middle + 1, middle + 2], axis=1),
        )

    def moved(self, position: Float[ndarray, "g 3"]) -> Backbone:
        """The same atoms elsewhere."""
        return replace(self, position=position)
