"""Structures: what is read is what the file says."""

import gzip
from collections import Counter
from pathlib import Path

import gemmi
import numpy as np
import pytest

import trimorph.data
from trimorph.core.errors import InputError
from trimorph.data.structure import read_structure, same_atoms, select_atoms

EXAMPLES = Path(trimorph.data.__file__).parent / "examples"

LINE = "ATOM  {:5d} {:4s}{:1s}{:3s} A{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00 10.00          {:>2s}\n"


def test_bundled_adenylate_kinase() -> None:
    opened, closed = (read_structure(EXAMPLES / f"adk_{name}.pdb")[0] for name in ("open", "closed"))
    assert len(opened) == len(closed) == 1656
    assert same_atoms((opened, closed))
    assert Counter(map(str, opened.element)) == {"C": 1040, "O": 320, "N": 289, "S": 7}
    assert (opened.residue.min(), opened.residue.max()) == (1, 214)
    gyration = [np.sqrt(((s.position - s.position.mean(0)) ** 2).sum(1).mean()) for s in (closed, opened)]
    assert gyration == pytest.approx([16.6, 19.6], abs=0.1)


def test_pdb_mmcif_and_gz_agree(tmp_path: Path) -> None:
    source = EXAMPLES / "adk_open.pdb"
    gemmi.read_structure(str(source)).make_mmcif_document().write_file(str(tmp_path / "adk.cif"))
    (tmp_path / "adk.pdb.gz").write_bytes(gzip.compress(source.read_bytes()))
    plain = read_structure(source)[0]
    for name in ("adk.cif", "adk.pdb.gz"):
        other = read_structure(tmp_path / name)[0]
        np.testing.assert_allclose(other.position, plain.position, atol=1e-6)
        for field in ("element", "chain", "residue", "residue_name", "atom_name"):
            np.testing.assert_array_equal(getattr(other, field), getattr(plain, field))


def test_models_are_a_trajectory(tmp_path: Path) -> None:
    lines = [
        f"MODEL     {model}\n"
        + LINE.format(1, " CA ", " ", "ALA", 1, 0.0, 0.0, float(model), "C")
        + "ENDMDL\n"
        for model in (1, 2, 3)
    ]
    (tmp_path / "three.pdb").write_text("".join([*lines, "END\n"]))
    models = read_structure(tmp_path / "three.pdb")
    assert [model.position[0, 2] for model in models] == [1.0, 2.0, 3.0]
    assert same_atoms(models)


def test_hydrogens_waters_and_alternative_locations(tmp_path: Path) -> None:
    atoms = [
        LINE.format(1, " N  ", " ", "SER", 1, 0.0, 0.0, 0.0, "N"),
        LINE.format(2, " CA ", "A", "SER", 1, 1.0, 0.0, 0.0, "C"),
        LINE.format(3, " CA ", "B", "SER", 1, 2.0, 0.0, 0.0, "C"),
        LINE.format(4, " H  ", " ", "SER", 1, 3.0, 0.0, 0.0, "H"),
        LINE.format(5, " O  ", " ", "HOH", 2, 4.0, 0.0, 0.0, "O"),
    ]
    (tmp_path / "a.pdb").write_text("".join(atoms))
    assert read_structure(tmp_path / "a.pdb")[0].position[:, 0].tolist() == [0.0, 1.0]
    assert len(read_structure(tmp_path / "a.pdb", hydrogens=True)[0]) == 3


def test_names_out_of_line_without_elements_are_not_metals(tmp_path: Path) -> None:
    names = ["N", "CA", "C", "O", "CB", "CD", "NE", "NH1", "HG1"]
    atoms = [LINE.format(i, name, " ", "HSD", 1, float(i), 0.0, 0.0, "") for i, name in enumerate(names)]
    (tmp_path / "charmm.pdb").write_text("".join(atoms))
    assert read_structure(tmp_path / "charmm.pdb")[0].element.tolist() == list("NCCOCCNN")


@pytest.mark.parametrize("text", ["", "not a structure\n", "HEADER    EMPTY\nEND\n"])
def test_a_file_without_atoms_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.pdb").write_text(text)
    with pytest.raises(InputError, match=r"bad\.pdb.*wanted atom records"):
        read_structure(tmp_path / "bad.pdb")


def test_broken_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.cif").write_text("data_x\nloop_\n_atom_site.id\n'open quote\n")
    with pytest.raises(InputError, match=r"bad\.cif: cannot be read as PDB or mmCIF"):
        read_structure(tmp_path / "bad.cif")
    with pytest.raises(FileNotFoundError, match=r"none\.pdb: no such file"):
        read_structure(tmp_path / "none.pdb")


def test_selections() -> None:
    structure = read_structure(EXAMPLES / "adk_open.pdb")[0]
    lid = select_atoms(structure, "A:122-159")
    assert set(structure.residue[lid]) == set(range(122, 160))
    assert select_atoms(structure, "*").all()
    np.testing.assert_array_equal(
        select_atoms(structure, "A:1-10,A:11-20"), select_atoms(structure, "A:1-20")
    )
    with pytest.raises(InputError, match=r'found no atom for "B".*chains are A with residues 1 to 214'):
        select_atoms(structure, "B")
    with pytest.raises(InputError, match="wanted CHAIN or CHAIN:FIRST-LAST"):
        select_atoms(structure, "A:x")


def test_ribosome_keeps_every_atom(shared) -> None:
    models = read_structure(shared("structures/4v5a_copy1_polymer.cif.gz"))
    assert [len(model) for model in models] == [144500]
    assert len(np.unique(models[0].chain)) == 56


def test_trajectory_of_adenylate_kinase(shared) -> None:
    models = read_structure(shared("trajectories/adk_dims_heavy.pdb.gz"))
    assert len(models) == 98
    assert same_atoms(models)
    assert set(models[0].element) == {"C", "N", "O", "S"}
