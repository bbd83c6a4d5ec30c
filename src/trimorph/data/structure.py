"""Structure: atoms of a PDB or mmCIF file, one object a model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms in the order of their file: positions (n, 3) in Å as (x, y, z), and what each atom is.

    ``element`` is the symbol as in the periodic table, ``chain`` the author's chain name, ``residue`` the
    author's residue number and ``insertion`` the letter behind it, or "" (by default everywhere);
    ``b_factor`` in Å^2.
    """

    position: NDArray[np.float64]
    element: NDArray[Any]
    chain: NDArray[Any]
    residue: NDArray[np.int64]
    residue_name: NDArray[Any]
    atom_name: NDArray[Any]
    b_factor: NDArray[np.float64]
    insertion: NDArray[Any] = field(default_factory=lambda: np.asarray(""))

    def __post_init__(self) -> None:
        object.__setattr__(self, "insertion", np.broadcast_to(self.insertion, len(self.position)))

    def __len__(self) -> int:
        return len(self.position)

    def select(self, mask: NDArray[np.bool_]) -> Structure:
        """The atoms where ``mask`` is true."""
        return Structure(
            position=self.position[mask],
            element=self.element[mask],
            chain=self.chain[mask],
            residue=self.residue[mask],
            residue_name=self.residue_name[mask],
            atom_name=self.atom_name[mask],
            b_factor=self.b_factor[mask],
            insertion=self.insertion[mask],
        )

    def move(self, position: NDArray[np.float64]) -> Structure:
        """The same atoms elsewhere."""
        return replace(self, position=np.asarray(position, np.float64))


def read_structure(path: str | Path, *, hydrogens: bool = False) -> tuple[Structure, ...]:
    """Read every model of a PDB or mmCIF file, plain or gzipped.

    Of the alternative locations in a residue that of the highest mean occupancy is kept, of equals the first,
    and waters are left out. ``hydrogens`` keeps hydrogen atoms. A file that cannot be read or has no atoms is
    an InputError.
    """
    models = tuple(_model(model, hydrogens=hydrogens) for model in parse_structure(path))
    if not models or not all(map(len, models)):
        raise InputError(
            f"{path}: found {len(models)} models, one or all without atoms, of which waters and hydrogens do "
            "not count; wanted atom records."
        )
    return models


def parse_structure(path: str | Path) -> gemmi.Structure:
    """A PDB or mmCIF file with all that is in it.   Errors: FileNotFoundError; InputError."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file. Give the path of a PDB or mmCIF file (.pdb, .cif, .gz)."
        )
    try:
        return gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as PDB or mmCIF: {error}. Is the file complete?") from error


def same_atoms(models: tuple[Structure, ...]) -> bool:
    """Whether the models list the same atoms in the same order, as the frames of a trajectory do."""
    first = models[0]
    return all(
        len(model) == len(first)
        and np.array_equal(model.atom_name, first.atom_name)
        and np.array_equal(model.residue, first.residue)
        and np.array_equal(model.insertion, first.insertion)
        for model in models[1:]
    )


SELECTION = re.compile(r"([^:,\s]+)(?::(-?\d+)(?:-(-?\d+))?)?")


def select_atoms(structure: Structure, selection: str, *, source: str = "Structure") -> NDArray[np.bool_]:
    """Which atoms a selection names: ``CHAIN`` or ``CHAIN:FIRST-LAST``, several joined by commas.

    A chain name may hold wildcards: ``A*`` is every chain that starts with A, ``*:30-59`` those residues in
    all chains.

    >>> from trimorph.data.pseudo_complex import pseudo_complex
    >>> int(select_atoms(pseudo_complex(), "B:1-50").sum())
    50
    """
    mask = np.zeros(len(structure), bool)
    for part in selection.split(","):
        match = SELECTION.fullmatch(part.strip())
        if match is None:
            raise InputError(
                f'Selection "{selection}": cannot read "{part}"; wanted CHAIN or CHAIN:FIRST-LAST, '
                "joined by commas, such as A:122-159,B."
            )
        chain, first, last = match.groups()
        names = [name for name in np.unique(structure.chain) if fnmatchcase(str(name), chain)]
        chosen = np.isin(structure.chain, names)
        if first is not None:
            chosen &= (structure.residue >= int(first)) & (structure.residue <= int(last or first))
        if not chosen.any():
            known = ", ".join(map(str, np.unique(structure.chain)[:12]))
            raise InputError(
                f'{source}: found no atom for "{part}"; its chains are {known} with residues '
                f"{structure.residue.min()} to {structure.residue.max()}. Correct the selection."
            )
        mask |= chosen
    return mask


def _model(model: Any, *, hydrogens: bool) -> Structure:
    rows = []
    for chain in model:
        conformer = _conformers(chain)
        for residue in chain:
            if residue.is_water():
                continue
            polymer = _is_polymer(residue)
            for atom in residue:
                if atom.has_altloc() and conformer[residue.seqid] != atom.altloc:
                    continue
                element = _element(atom, polymer=polymer)
                if hydrogens or element not in ("H", "D"):
                    rows.append((*atom.pos.tolist(), element, chain.name or "A", residue, atom))
    if not rows:
        return _structure([()] * 7)
    return _structure([*zip(*rows, strict=True)])


def _conformers(chain: Any) -> dict[Any, str]:
    """The alternative location to keep of each residue number that has some."""
    occupancy: dict[Any, dict[str, list[float]]] = {}
    for residue in chain:
        for atom in residue:
            if atom.has_altloc():
                occupancy.setdefault(residue.seqid, {}).setdefault(atom.altloc, []).append(atom.occ)
    return {
        number: max(some, key=lambda name: sum(some[name]) / len(some[name]))
        for number, some in occupancy.items()
    }


def _is_polymer(residue: Any) -> bool:
    names = {atom.name for atom in residue}
    return {"N", "CA", "C"} <= names or {"C1'", "C4'"} <= names or {"C1*", "C4*"} <= names


def _element(atom: Any, *, polymer: bool) -> str:
    """Element of an atom; in protein and nucleic acid that of its name where the file's is out of place.

    Without an element column, a name that is not aligned makes CA calcium and CB nothing.
    """
    element = str(atom.element.name)
    if polymer and element not in _POLYMER_ELEMENTS:
        letters = atom.name.lstrip("0123456789'\"*")
        return letters[:1].upper()
    return element


_POLYMER_ELEMENTS = frozenset(("H", "D", "C", "N", "O", "P", "S", "Se"))


def _structure(columns: list[tuple[Any, ...]]) -> Structure:
    x, y, z, element, chain, residue, atom = columns
    return Structure(
        position=np.stack([np.asarray(axis, np.float64) for axis in (x, y, z)], -1),
        element=np.asarray(element, np.str_),
        chain=np.asarray(chain, np.str_),
        residue=np.asarray([item.seqid.num for item in residue], np.int64),
        residue_name=np.asarray([item.name for item in residue], np.str_),
        atom_name=np.asarray([item.name for item in atom], np.str_),
        b_factor=np.asarray([item.b_iso for item in atom], np.float64),
        insertion=np.asarray([item.seqid.icode.strip() for item in residue], np.str_),
    )
