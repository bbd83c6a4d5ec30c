"""Residues: a structure with one point for each residue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.scattering import electron_form_factor
from trimorph.data.structure import Structure, read_structure, select_atoms

BACKBONE = ("CA", "C1'", "C1*", "P")
"""Names of atoms that tell amino acids and nucleotides from ligands and ions."""

TRACE = ("P", "C1'", "CA")
"""Names of the atoms that may stand for a residue, the last that it has."""

BeadKind = Literal["residues", "atoms"]


@dataclass(frozen=True, eq=False)
class Beads:
    """Points (n, 3) in Å that scatter, how much, and the number of the residue that each belongs to."""

    position: NDArray[np.float64]
    weight: NDArray[np.float64]
    residue: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Parts:
    """Number of the part that each residue is in, or -1, and the most rigid segments that each part has."""

    number: NDArray[np.int64]
    segments: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Residues:
    """Points (g, 3) in Å where residues scatter, and how much: what all their electron density sums to.

    ``trace`` (g, 3) is where the atom stands that the chain is traced by, CA, C1' or P, or again the point of
    what has none. ``first`` holds the first atom of each, which knows its chain and number; ``atoms`` are all
    of them.
    ``polymer`` says which are amino acids or nucleotides, by the atom of the backbone that both models of
    all atoms and traces have.
    """

    position: NDArray[np.float64]
    weight: NDArray[np.float64]
    trace: NDArray[np.float64]
    first: Structure
    atoms: Beads
    polymer: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.weight)

    @classmethod
    def of(cls, structure: Structure) -> Residues:
        """Residues in the order of their atoms: centroids by the form factors at k = 0, and sums of these.

        Atoms that follow each other with one chain, number, insertion code and name are a residue; so is a
        ligand.
        Errors: InputError for an element without form factor.
        """
        names = (structure.chain, structure.residue, structure.insertion, structure.residue_name)
        new = np.any([name[1:] != name[:-1] for name in names], axis=0)
        start = np.flatnonzero(np.concatenate([[True], new]))
        weight = scattering_weight(structure)
        total = np.add.reduceat(weight, start)
        moment = np.add.reduceat(weight[:, None] * structure.position, start)
        chosen = np.zeros(len(structure), bool)
        chosen[start] = True
        atoms = Beads(structure.position, weight, np.cumsum(chosen) - 1)
        backbone = np.isin(structure.atom_name, BACKBONE) & (structure.element != "Ca")
        polymer = np.logical_or.reduceat(backbone, start)
        position, traced = moment / total[:, None], trace_rows(structure, atoms.residue)
        trace = np.where(traced[:, None] >= 0, structure.position[traced], position)
        return cls(position, total, trace, structure.select(chosen), atoms, polymer)

    def beads(self, kind: BeadKind) -> Beads:
        """One point a residue, or one an atom."""
        return self.atoms if kind == "atoms" else Beads(self.position, self.weight, np.arange(len(self)))

    def chosen(self, selection: str, *, source: str) -> NDArray[np.int64]:
        """Numbers of the residues that a selection names: see :func:`select_atoms`."""
        return np.flatnonzero(select_atoms(self.first, selection, source=source))

    @property
    def chains(self) -> NDArray[np.int64]:
        """Number of each residue's chain, from 0, in the order in which they come in the file."""
        names, first, number = np.unique(self.first.chain, return_index=True, return_inverse=True)
        order = np.empty(len(names), np.int64)
        order[np.argsort(first)] = np.arange(len(names))
        return order[number]

    def parts(self, ranges: str, *, source: str) -> Parts:
        """The part that each residue is in: ranges as in a selection, one part each, each of one segment.

        ``A:1-121=4`` is a part of at most 4 segments, at least one on each of its chains.
        Errors: InputError for a range that names no residue, ranges that share some, and a number of segments
        that a range cannot have.
        """
        number = np.full(len(self), -1)
        segments = []
        pieces = [piece.strip() for piece in ranges.split(",")]
        for this, piece in enumerate(pieces):
            selection, equals, most = piece.partition("=")
            chosen = self.chosen(selection.strip(), source=source)
            shared = number[chosen].max()
            if shared >= 0:
                raise InputError(
                    f'{source}: found residues that are both in "{pieces[shared]}" and in "{piece}"; wanted '
                    "ranges apart, as a residue belongs to one part. Shorten one."
                )
            number[chosen] = this
            segments.append(self._segments(chosen, piece, most.strip(), source) if equals else 1)
        return Parts(number, np.asarray(segments))

    def _segments(self, chosen: NDArray[np.int64], piece: str, most: str, source: str) -> int:
        """What stands behind the "=" of a range."""
        chains = len(np.unique(self.chains[chosen]))
        if not re.fullmatch(r"\d+", most) or int(most) < 1 or int(most) > len(chosen):
            raise InputError(
                f'{source}: found "{most}" segments for the {len(chosen)} residues of "{piece}"; wanted a '
                f"number from 1 to {len(chosen)}, as a segment has a residue at least. Correct it, or leave "
                f'"={most}" out for one rigid segment.'
            )
        if 1 < int(most) < chains:
            raise InputError(
                f'{source}: found {most} segments for the {chains} chains of "{piece}"; wanted {chains} or '
                "more, as a segment that is learned is on one chain, or 1 for one rigid body of them all. "
                "Correct the number."
            )
        return int(most)


def read_residues(path: Path) -> Residues:
    """Residues of the first model in a PDB or mmCIF file, without waters and hydrogens.

    Errors: FileNotFoundError; those of :func:`read_structure`.

    >>> import trimorph.data
    >>> adk = read_residues(Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb")
    >>> len(adk), len(adk.chosen("A:122-159", source="adk"))
    (214, 38)
    """
    return Residues.of(read_structure(path)[0])


def trace_rows(structure: Structure, residue: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row of the atom that stands for each residue, by its name in TRACE, or -1.

    ``residue`` is the number of the residue that each atom belongs to.
    """
    found = np.full(int(residue.max()) + 1, -1)
    for name in TRACE:
        rows = np.flatnonzero((structure.atom_name == name) & (structure.element != "Ca"))
        found[residue[rows]] = rows
    return found


def scattering_weight(structure: Structure) -> NDArray[np.float64]:
    """Form factor of each atom at k = 0 in Å."""
    elements, place = np.unique(structure.element, return_inverse=True)
    factors = [float(electron_form_factor(str(element))(torch.zeros(()))) for element in elements]
    return np.asarray(factors)[place]
