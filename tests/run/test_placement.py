"""Where a structure lies in the box, found by its correlation with the map."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import trimorph.data
from trimorph.core.errors import InputError
from trimorph.data.mrc import write_map
from trimorph.data.residues import Residues, read_residues
from trimorph.data.scattering import AtomicDensity
from trimorph.data.structure import read_structure
from trimorph.methods.base import Ingredient
from trimorph.run.placement import placed
from trimorph.run.start import StartSettings, map_middle, starting_residues

PDB = Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb"
BOX, PIXEL_SIZE = 26, 4.0
MIDDLE = (52.0, 52.0, 52.0)


@pytest.fixture(scope="module")
def atoms() -> NDArray[np.float32]:
    """Adenylate kinase at 10 Å, its atoms' mean in the middle: a map of atoms, not of residues."""
    structure = read_structure(PDB)[0]
    return AtomicDensity.of(structure, resolution=10.0).voxels(BOX, PIXEL_SIZE)[0].numpy()


@pytest.fixture(scope="module")
def centred() -> Residues:
    residues = read_residues(PDB)
    return replace(residues, position=residues.position - read_structure(PDB)[0].position.mean(0))


@pytest.mark.parametrize(("shift", "way"), [(0.0, "centre"), (52.0, "corner")])
def test_coordinates_from_the_centre_or_the_corner(
    atoms: NDArray[np.float32], centred: Residues, shift: float, way: str
) -> None:
    moved = replace(centred, position=centred.position + shift)
    place, said = placed(moved, 250 * atoms, pixel_size=PIXEL_SIZE, middle=MIDDLE, source=PDB)
    np.testing.assert_allclose(place, centred.position, atol=1e-9)
    assert f"214 residues, with coordinates from the box's {way}, as the correlation" in said
    found = re.search(rf"([01]\.\d\d) from the box's {way}", said)
    assert found is not None
    assert float(found[1]) > 0.97


def test_neither_way_agrees_with_the_map(atoms: NDArray[np.float32], centred: Residues) -> None:
    other = np.roll(atoms, (13, 13), (0, 1))
    with pytest.raises(
        InputError,
        match=r"adk_open.pdb: found a structure whose correlation with the map at 12 Å is outside the box "
        r"from the box's corner and -?0\.[0-2]\d from the box's centre; wanted 0\.3 or more",
    ):
        placed(centred, other, pixel_size=PIXEL_SIZE, middle=MIDDLE, source=PDB)


def test_outside_the_box(atoms: NDArray[np.float32], centred: Residues) -> None:
    away = replace(centred, position=centred.position + 500)
    with pytest.raises(InputError, match=r"outside the box; wanted all in 0 to 104 Å.*within 52 Å of 0"):
        placed(away, atoms, pixel_size=PIXEL_SIZE, middle=MIDDLE, source=PDB)


def test_a_map_says_where_its_corner_is(tmp_path: Path) -> None:
    assert map_middle(StartSettings(), box=9, pixel_size=2.0) == (8.0, 8.0, 8.0)
    write_map(tmp_path / "map.mrc", np.ones((6, 6, 6), np.float32), 3.0, origin=(1.0, -2.0, 30.0))
    found = map_middle(StartSettings(tmp_path / "map.mrc"), box=9, pixel_size=2.0)
    assert found == pytest.approx((10.0, 7.0, 39.0))


def test_a_method_without_residues(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found a structure for a method that has no use.*method gaussians"):
        starting_residues(StartSettings(structure=PDB), frozenset({"mean"}))
    with pytest.raises(InputError, match=r"found a map for a method that has no use for it.*Leave --map out"):
        starting_residues(StartSettings(map=tmp_path / "map.mrc"), frozenset())
    assert starting_residues(StartSettings(), frozenset()) is None
    with pytest.raises(FileNotFoundError):
        starting_residues(StartSettings(structure=tmp_path / "absent.cif"), frozenset({"points"}))


def test_a_structure_without_residues(tmp_path: Path) -> None:
    water = "HETATM    1  O   HOH A   1       0.000   0.000   0.000  1.00 10.00           O\n"
    (tmp_path / "water.pdb").write_text(water + "END\n")
    with pytest.raises(InputError, match=r"water.pdb: found 1 models, one or all without atoms"):
        starting_residues(StartSettings(structure=tmp_path / "water.pdb"), frozenset({"points"}))


def test_ranges_need_a_method_with_segments_and_segments_a_structure() -> None:
    wanted = frozenset[Ingredient]({"points", "chain", "part"})
    with pytest.raises(InputError, match=r"Found no structure for the method segments.*Pass --structure"):
        starting_residues(StartSettings(), wanted)
    with pytest.raises(InputError, match=r'Found --ranges "A" without a structure or for a method without'):
        starting_residues(StartSettings(structure=PDB, ranges="A"), frozenset({"points"}))
    with pytest.raises(InputError, match=r"found residues that are both"):
        starting_residues(StartSettings(structure=PDB, ranges="A,A:3-9"), wanted)
    assert starting_residues(StartSettings(structure=PDB, ranges="A:3-9"), wanted) is not None
