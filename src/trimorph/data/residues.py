"""Residues: a structure with one point for each residue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.scattering import electron_form_factor
from trimorph.data.structure import Structure, read_structure, select_atoms


@dataclass(frozen=True, eq=False)
class Residues:
    """Points (g, 3) in Å where residues scatter, and how much: what all their electron density sums to.

    ``first`` holds the first atom of each, which knows its chain and number.
    """

    position: NDArray[np.float64]
    weight: NDArray[np.float64]
    first: Structure

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
        return cls(moment / total[:, None], total, structure.select(chosen))

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

    def parts(self, ranges: str, *, source: str) -> NDArray[np.int64]:
        """Number of the range that each residue lies in, or -1: ranges as in a selection, one part each.

        Errors: InputError for a range that names no residue, and for ranges that share some.
        """
        part = np.full(len(self), -1)
        pieces = ranges.split(",")
        for number, piece in enumerate(pieces):
            chosen = self.chosen(piece, source=source)
            shared = part[chosen].max()
            if shared >= 0:
                raise InputError(
                    f'{source}: found residues that are both in "{pieces[shared].strip()}" and in '
                    f'"{piece.strip()}"; wanted ranges apart, as a residue belongs to one part. Shorten one.'
                )
            part[chosen] = number
        return part


def read_residues(path: Path) -> Residues:
    """Residues of the first model in a PDB or mmCIF file, without waters and hydrogens.

    Errors: FileNotFoundError; those of :func:`read_structure`.

    >>> import trimorph.data
    >>> adk = read_residues(Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb")
    >>> len(adk), len(adk.chosen("A:122-159", source="adk"))
    (214, 38)
    """
    return Residues.of(read_structure(path)[0])


def scattering_weight(structure: Structure) -> NDArray[np.float64]:
    """Form factor of each atom at k = 0 in Å."""
    elements, place = np.unique(structure.element, return_inverse=True)
    factors = [float(electron_form_factor(str(element))(torch.zeros(()))) for element in elements]
    return np.asarray(factors)[place]
