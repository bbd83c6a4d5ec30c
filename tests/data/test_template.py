"""A structure file written again: all that it held, with its atoms elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import pytest

import trimorph.data
from trimorph.core.errors import InputError
from trimorph.data.residues import Residues, read_residues
from trimorph.data.structure import read_structure
from trimorph.data.template import Template

ADK = Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb"
LINE = "ATOM  {:5d} {:4s}{:1s}{:3s} {:1s}{:4d}{:1s}   {:8.3f}{:8.3f}{:8.3f}{:6.2f}{:6.2f}          {:>2s}\n"


def odd_file(folder: Path) -> Path:
    """Insertion codes, a missing CA, alternative locations, two residues at one place, hydrogens, water."""
    rows = [
        (" N  ", "", "ALA", "H", 52, "", 0.0, 1.0, 11.0, "N"),
        (" CA ", "", "ALA", "H", 52, "", 1.0, 1.0, 12.0, "C"),
        (" N  ", "", "ALA", "H", 52, "A", 4.0, 1.0, 13.0, "N"),  # the same name, another residue
        (" CA ", "A", "ALA", "H", 52, "A", 5.0, 0.3, 14.0, "C"),
        (" CA ", "B", "ALA", "H", 52, "A", 6.0, 0.7, 15.0, "C"),
        (" HA ", "", "ALA", "H", 52, "A", 7.0, 1.0, 16.0, "H"),
        (" N  ", "", "GLY", "H", 53, "", 8.0, 1.0, 17.0, "N"),  # no CA
        (" C  ", "", "GLY", "H", 53, "", 9.0, 1.0, 18.0, "C"),
        (" CA ", "A", "SER", "H", 54, "", 12.0, 0.4, 19.0, "C"),  # a mutation in some of the molecules
        (" CA ", "B", "THR", "H", 54, "", 13.0, 0.6, 20.0, "C"),
        (" O  ", "", "HOH", "H", 99, "", 9.5, 1.0, 21.0, "O"),
    ]
    path = folder / "odd.pdb"
    path.write_text(
        "CRYST1   50.000   60.000   70.000  90.00  90.00  90.00 P 21 21 21\n"
        + "".join(
            LINE.format(i, name, alt, residue, chain, number, code, x, 0.0, 0.0, occupancy, b, element)
            for i, (name, alt, residue, chain, number, code, x, occupancy, b, element) in enumerate(rows, 1)
        )
        + "END\n"
    )
    return path


def rows_of(path: Path, model: int = 0) -> list[tuple[object, ...]]:
    """What a file says of every atom, but for its place."""
    return [
        (s.chain.name, str(s.residue.seqid), s.residue.name, a.name, a.altloc, a.element.name, a.occ)
        for s in gemmi.read_structure(str(path))[model].all()
        for a in [s.atom]
    ]


def test_the_most_occupied_conformer_is_read_and_insertions_are_residues(tmp_path: Path) -> None:
    atoms = read_structure(odd_file(tmp_path))[0]
    assert atoms.position[:, 0].tolist() == [0.0, 1.0, 4.0, 6.0, 8.0, 9.0, 13.0]
    assert atoms.insertion.tolist() == ["", "", "A", "A", "", "", ""]
    residues = Residues.of(atoms)
    assert residues.first.residue.tolist() == [52, 52, 53, 54]
    assert residues.first.residue_name.tolist() == ["ALA", "ALA", "GLY", "THR"]


def test_every_atom_goes_with_its_residue(tmp_path: Path) -> None:
    path = odd_file(tmp_path)
    template = Template.read(path)
    # the other residue at place 54 goes with its twin, and the water with its nearest neighbour
    assert template.residue_of(read_residues(path)).tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 2]


@pytest.mark.parametrize("ending", ["cif", "pdb"])
def test_what_was_read_is_written(tmp_path: Path, ending: str) -> None:
    path = odd_file(tmp_path)
    template = Template.read(path)
    target = tmp_path / f"moved.{ending}"
    moved = [template.position + np.array([1.25, -2.5, 100.0]), template.position[:, ::-1]]
    template.write(target, moved)
    for model, place in enumerate(moved):
        assert rows_of(target, model) == rows_of(path)
        found = [s.atom.pos.tolist() for s in gemmi.read_structure(str(target))[model].all()]
        np.testing.assert_allclose(found, place, atol=1e-3)
    np.testing.assert_allclose(
        [s.atom.b_iso for s in gemmi.read_structure(str(target))[1].all()], np.arange(11.0, 22.0)
    )
    assert not gemmi.read_structure(str(target)).cell.is_crystal()
    with pytest.raises(FileExistsError, match="was left as it is"):
        template.write(target, moved)
    template.write(target, moved[:1], overwrite=True)
    assert len(gemmi.read_structure(str(target))) == 1


def test_more_than_62_chains_and_what_a_pdb_cannot_hold(tmp_path: Path) -> None:
    adk = gemmi.read_structure(str(ADK))
    first = adk[0][0].clone()
    del adk[0]["A"]
    for number in range(70):
        chain = gemmi.Chain(f"X{number}")
        chain.add_residue(first[number])
        adk[0].add_chain(chain)
    adk.setup_entities()
    adk.make_mmcif_document().write_file(str(tmp_path / "many.cif"))
    template = Template.read(tmp_path / "many.cif")
    template.write(tmp_path / "moved.cif", [template.position])
    assert len(np.unique(read_structure(tmp_path / "moved.cif")[0].chain)) == 70
    assert len(read_residues(tmp_path / "moved.cif")) == 70
    with pytest.raises(InputError, match=r'moved.pdb: found the chain "X0"; wanted.*name it moved.cif'):
        template.write(tmp_path / "moved.pdb", [template.position])
    with pytest.raises(InputError, match=r'found the ending ".xyz"; wanted .cif'):
        template.write(tmp_path / "moved.xyz", [template.position])
    small = Template.read(odd_file(tmp_path))
    with pytest.raises(InputError, match=r"found coordinates from 0 to 20000 Å"):
        small.write(tmp_path / "far.pdb", [small.position + np.array([0, 0, 20000.0])])


def test_a_trajectory_gives_its_first_model_and_empty_files_nothing(tmp_path: Path) -> None:
    template = Template.read(ADK)
    template.write(tmp_path / "two.cif", [template.position, template.position + 1])
    np.testing.assert_allclose(Template.read(tmp_path / "two.cif").position, template.position)
    (tmp_path / "empty.pdb").write_text("END\n")
    with pytest.raises(InputError, match=r"empty.pdb: found no atoms"):
        Template.read(tmp_path / "empty.pdb")


@pytest.mark.parametrize(
    "name", ["structures/5ni1_updated.cif", "structures/9be6.cif.gz", "structures/1hzh.pdb"]
)
def test_files_of_the_data_bank(shared: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    path = shared(name)
    template, residues = Template.read(path), read_residues(path)
    owner = template.residue_of(residues)
    assert owner.max() == len(residues) - 1
    assert np.linalg.norm(template.position - residues.position[owner], axis=1).max() < 20
    template.write(tmp_path / "again.cif", [template.position])
    assert rows_of(tmp_path / "again.cif") == rows_of(path)
    np.testing.assert_allclose(Template.read(tmp_path / "again.cif").position, template.position, atol=1e-3)
    np.testing.assert_allclose(read_residues(tmp_path / "again.cif").position, residues.position, atol=1e-3)
