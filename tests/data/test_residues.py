"""Residues as points: where they scatter, and how much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import trimorph.data
from trimorph.core.errors import InputError
from trimorph.data.residues import Residues, read_residues
from trimorph.data.structure import Structure, read_structure

PDB = Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb"
CARBON, OXYGEN = 2.5088, 1.9826
"""Form factors at k = 0 in Å (Peng et al. 1996)."""


def structure(*atoms: tuple[str, int, str, str, float]) -> Structure:
    """Atoms of chain, residue, name of it, element, and x."""
    chain, residue, name, element, x = zip(*atoms, strict=True)
    position = np.stack([np.array(x), np.zeros(len(x)), np.zeros(len(x))], 1)
    blank = np.array([""] * len(x))
    return Structure(
        position,
        np.array(element),
        np.array(chain),
        np.array(residue),
        np.array(name),
        blank,
        np.zeros(len(x)),
    )


def test_a_residue_is_a_point_at_its_scattering_centre() -> None:
    found = Residues.of(
        structure(
            ("A", 1, "GLY", "C", 0.0),
            ("A", 1, "GLY", "O", 3.0),
            ("A", 2, "GLY", "C", 10.0),
            ("B", 2, "GLY", "C", 20.0),
            ("B", 2, "ATP", "C", 30.0),
        )
    )
    first = 3.0 * OXYGEN / (CARBON + OXYGEN)
    np.testing.assert_allclose(found.position[:, 0], [first, 10.0, 20.0, 30.0], atol=1e-3)
    np.testing.assert_allclose(found.weight, [CARBON + OXYGEN, CARBON, CARBON, CARBON], atol=1e-3)
    assert found.chosen("B", source="x").tolist() == [2, 3]
    assert found.chosen("A:2-9", source="x").tolist() == [1]
    with pytest.raises(InputError, match=r'--chains: found no atom for "C"; its chains are A, B'):
        found.chosen("C", source="--chains")


def test_one_point_a_residue_of_adenylate_kinase() -> None:
    found, atoms = read_residues(PDB), read_structure(PDB)[0]
    assert len(found) == 214
    assert found.first.residue.tolist() == list(range(1, 215))
    kinds = {"C": CARBON, "O": OXYGEN, "N": 2.2110, "S": 5.1600}
    total = sum(kinds[str(element)] for element in atoms.element)
    assert found.weight.sum() == pytest.approx(total, rel=2e-3)
    middle = (found.weight[:, None] * found.position).sum(0) / found.weight.sum()
    np.testing.assert_allclose(middle, atoms.position.mean(0), atol=0.2)


def test_an_element_that_does_not_exist() -> None:
    with pytest.raises(InputError, match='no electron form factor for element "X"'):
        Residues.of(structure(("A", 1, "UNK", "X", 0.0)))


def test_ranges_are_parts_of_their_own() -> None:
    adk = read_residues(PDB)
    parts = adk.parts("A:122-159 = 4, A:1-50", source="--ranges")
    assert [int((parts.number == number).sum()) for number in (-1, 0, 1)] == [214 - 38 - 50, 38, 50]
    assert parts.segments.tolist() == [4, 1]
    assert adk.chains.tolist() == [0] * 214
    with pytest.raises(
        InputError, match=r'--ranges: found residues that are both in "A:1-50=2" and in "A:50-60"'
    ):
        adk.parts("A:1-50=2,A:50-60", source="--ranges")
    with pytest.raises(InputError, match=r'found no atom for "B"'):
        adk.parts("A:1-50,B=2", source="--ranges")


@pytest.mark.parametrize("most", ["0", "51", "two", "", "-1", "1.5"])
def test_a_number_of_segments_that_a_range_cannot_have(most: str) -> None:
    said = rf'--ranges: found "{most}" segments for the 50 residues of "A:1-50=.*wanted a number from 1 to 50'
    with pytest.raises(InputError, match=said):
        read_residues(PDB).parts(f"A:60-99,A:1-50={most}", source="--ranges")


def test_learned_segments_do_not_straddle_chains() -> None:
    two = Residues.of(
        structure(*((name, number, "GLY", "C", 4.0 * number) for name in "ABC" for number in (1, 2)))
    )
    assert two.parts("*:1-2=3", source="x").segments.tolist() == [3]
    assert two.parts("*", source="x").segments.tolist() == [1]
    with pytest.raises(InputError, match=r"found 2 segments for the 3 chains of .*wanted 3 or more"):
        two.parts("*:1-2=2", source="x")


def test_beads_are_residues_or_atoms() -> None:
    found, atoms = read_residues(PDB), read_structure(PDB)[0]
    own, each = found.beads("residues"), found.beads("atoms")
    assert np.array_equal(own.position, found.position)
    assert own.residue.tolist() == list(range(214))
    assert np.array_equal(each.position, atoms.position)
    assert np.array_equal(each.residue, atoms.residue - 1)
    np.testing.assert_allclose(np.bincount(each.residue, each.weight), found.weight)


def test_chains_are_traced_by_one_atom_a_residue() -> None:
    """CA before C1' before P; calcium is none, and what has neither stands where it scatters."""
    found, atoms = read_residues(PDB), read_structure(PDB)[0]
    assert np.array_equal(found.trace, atoms.position[atoms.atom_name == "CA"])
    mixed = structure(
        ("A", 1, "GLY", "C", 0.0), ("A", 1, "GLY", "C", 1.0), ("A", 2, "G", "P", 4.0),
        ("A", 2, "G", "C", 6.0), ("A", 3, "CA", "Ca", 9.0), ("A", 4, "LIG", "C", 11.0),
        ("A", 4, "LIG", "C", 13.0), ("A", 5, "U", "P", 20.0),
    )  # fmt: skip
    names = np.array(["CB", "CA", "P", "C1'", "CA", "C1", "C2", "P"])
    traced = Residues.of(replace(mixed, atom_name=names)).trace
    np.testing.assert_allclose(traced[:, 0], [1.0, 6.0, 9.0, 12.0, 20.0])


def test_amino_acids_and_nucleotides_are_told_from_ions() -> None:
    assert read_residues(PDB).polymer.all()
    found = structure(
        ("A", 1, "GLY", "C", 0.0),
        ("A", 2, "G", "P", 4.0),
        ("A", 3, "DA", "C", 9.0),
        ("A", 4, "CA", "Ca", 9.0),
    )
    named = replace(found, atom_name=np.array(["CA", "P", "C1'", "CA"]))
    assert Residues.of(named).polymer.tolist() == [True, True, True, False]
