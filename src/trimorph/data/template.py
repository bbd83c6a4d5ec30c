"""Template: all that a structure file holds, to be written again with its atoms elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.data.residues import Residues
from trimorph.data.structure import parse_structure

PDB_ATOMS, PDB_NUMBERS = 99_999, (-999, 9_999)
"""What the columns of a PDB file hold."""


@dataclass(frozen=True, eq=False)
class Template:
    """Every atom of a file's first model: waters, hydrogens and all alternative locations as well.

    ``position`` (n, 3) is in Å, in the order of the file.
    """

    source: Path
    parsed: gemmi.Structure
    position: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.position)

    @classmethod
    def read(cls, path: str | Path) -> Template:
        """The first model of a PDB or mmCIF file.   Errors: FileNotFoundError; InputError."""
        parsed = parse_structure(path)
        if not len(parsed) or not parsed[0].count_atom_sites():
            raise InputError(f"{path}: found no atoms; wanted atom records.")
        while len(parsed) > 1:
            del parsed[-1]
        place = [atom.pos.tolist() for _, _, atom in _atoms(parsed[0])]
        return cls(Path(path), parsed, np.asarray(place, np.float64))

    def residue_of(self, residues: Residues) -> NDArray[np.int64]:
        """Number (n,) of the residue that each atom goes with.

        Its own by chain, number, insertion code and name; another conformer's by chain and number; what has
        none, such as water, that of the nearest atom that has.
        """
        first = residues.first
        keys = list(zip(first.chain, first.residue, first.insertion, first.residue_name, strict=True))
        exact = {key: number for number, key in enumerate(keys)}
        alike = {key[:3]: number for number, key in enumerate(keys)}
        found = np.full(len(self), -1, np.int64)
        for i, (chain, residue, _) in enumerate(_atoms(self.parsed[0])):
            key = (chain.name or "A", residue.seqid.num, residue.seqid.icode.strip(), residue.name)
            found[i] = exact.get(key, -1 if residue.is_water() else alike.get(key[:3], -1))
        lost = found < 0
        if lost.any():
            tree, owner = (
                (cKDTree(residues.position), np.arange(len(residues)))
                if lost.all()
                else (cKDTree(self.position[~lost]), found[~lost])
            )
            found[lost] = owner[tree.query(self.position[lost])[1]]
        return found

    def write(
        self,
        path: str | Path,
        positions: Sequence[NDArray[np.float64]],
        *,
        occupancies: Sequence[NDArray[np.float64]] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write one model for each set of positions (n, 3): mmCIF, or PDB where the name ends in .pdb.

        Chain and residue names, insertion codes, alternative locations, occupancies and B-factors stay;
        ``occupancies`` (n,), a set a model, are what those of the file are multiplied by, up to 1.
        What is true of the old place alone goes: crystal, symmetry, assemblies, anisotropic displacements.
        Errors: InputError where the structure does not fit in a PDB file; FileExistsError.
        """
        path = Path(path)
        as_pdb = path.suffix.lower() in (".pdb", ".ent")
        if as_pdb:
            wide = self.too_wide_for_pdb(positions)
            if wide:
                raise InputError(
                    f"{path}: found {wide}; wanted what the columns of a PDB file hold. Write mmCIF: name it "
                    f"{path.with_suffix('.cif').name}."
                )
        elif path.suffix.lower() not in (".cif", ".mmcif"):
            raise InputError(
                f'{path}: found the ending "{path.suffix}"; wanted .cif for mmCIF, or .pdb. Rename it.'
            )
        moved = self._moved(positions, occupancies)
        with atomic_path(path, overwrite=overwrite) as temporary:
            if as_pdb:
                moved.write_pdb(str(temporary))
            else:
                moved.make_mmcif_document().write_file(str(temporary))

    def _moved(
        self,
        positions: Sequence[NDArray[np.float64]],
        occupancies: Sequence[NDArray[np.float64]] | None,
    ) -> gemmi.Structure:
        moved = self.parsed.clone()
        moved.cell, moved.spacegroup_hm = gemmi.UnitCell(), ""
        moved.assemblies.clear()
        moved.ncs.clear()
        moved.has_origx = False
        for chain in moved[0]:
            chain.name = chain.name or "A"
        moved.setup_entities()
        for _, _, atom in _atoms(moved[0]):
            atom.aniso = gemmi.SMat33f(0, 0, 0, 0, 0, 0)
        pattern = moved[0].clone()
        del moved[0]
        for number, place in enumerate(positions, start=1):
            if np.shape(place) != self.position.shape:
                raise ValueError(
                    f"Template: found positions {np.shape(place)}; wanted {self.position.shape}."
                )
            model = pattern.clone()
            model.num = number
            for (_, _, atom), point in zip(_atoms(model), np.asarray(place, float).tolist(), strict=True):
                atom.pos = gemmi.Position(*point)
            if occupancies is not None:
                for (_, _, atom), share in zip(_atoms(model), occupancies[number - 1].tolist(), strict=True):
                    atom.occ = min(max(atom.occ * share, 0.0), 1.0)
            moved.add_model(model)
        return moved

    def too_wide_for_pdb(self, positions: Sequence[NDArray[np.float64]]) -> str:
        """What does not fit in the columns of a PDB file: names, numbers or coordinates; else nothing."""
        chains = sorted({chain.name for chain in self.parsed[0] if len(chain.name) > 1})
        least, most = PDB_NUMBERS
        wide = sorted({r.name for c in self.parsed[0] for r in c if len(r.name) > 3})
        numbers = [residue.seqid.num or 0 for chain in self.parsed[0] for residue in chain]
        far = [number for number in numbers if not least <= number <= most]
        low, high = (min(np.min(place) for place in positions), max(np.max(place) for place in positions))
        return (
            f"{len(self)} atoms"
            if len(self) > PDB_ATOMS
            else f'the chain "{chains[0]}"'
            if chains
            else f'the residue name "{wide[0]}"'
            if wide
            else f"the residue number {far[0]}"
            if far
            else f"coordinates from {low:.0f} to {high:.0f} Å"
            if low <= -999.5 or high >= 9999.5
            else ""
        )


def _atoms(model: Any) -> Any:
    """Chain, residue and atom of every atom, in the order of the file."""
    return ((site.chain, site.residue, site.atom) for site in model.all())
