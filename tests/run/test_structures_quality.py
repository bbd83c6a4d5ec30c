"""Quality of moved structures: what was made worse is counted, what was so from the start is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from data.test_template import odd_file
from trimorph.data.pseudo_complex import pseudo_complex
from trimorph.data.residues import Residues, read_residues
from trimorph.data.structure import Structure, read_structure
from trimorph.methods.structure_method import RigidMotion, Segment
from trimorph.run.structures_backbone import Backbone
from trimorph.run.structures_distances import Distance
from trimorph.run.structures_names import NamedSegments, range_name, residue_names
from trimorph.run.structures_quality import Quality, bond_angles, new_clashes, superposed_rmsd
from trimorph.run.structures_screws import Screws, main_axes

NAMES = [f"A:{number}" for number in range(1, 9)]


def zigzag() -> Backbone:
    """Eight atoms of a flat zigzag, 3.8 Å apart, with right angles."""
    step = 3.8 / 2**0.5
    place = np.array([[step * i, step * (i % 2), 0.0] for i in range(8)])
    first = np.arange(7)
    middle = np.arange(6)
    return Backbone(
        place,
        ("CA",) * 8,
        np.stack([first, first + 1], axis=1),
        np.stack([middle, middle + 1, middle + 2], axis=1),
    )


def bent(backbone: Backbone, angle: float) -> NDArray[np.float64]:
    """The last four atoms turned in the plane about the fourth, by an angle in radians."""
    place = backbone.position.copy()
    pivot = place[3]
    place[4:] = Rotation.from_rotvec([0, 0, angle]).apply(place[4:] - pivot) + pivot
    return place


def test_the_start_has_no_fault() -> None:
    start = zigzag()
    found = Quality.of(start.position[None], start)
    assert found.clashes.tolist() == [0]
    assert np.isnan(found.closest).all()
    assert found.bond_most[0] == found.angle_most[0] == found.rmsd[0] == 0.0
    assert found.rmsd_fitted[0] == pytest.approx(0.0, abs=1e-6)


def test_a_clash_that_was_made_is_counted_and_one_of_the_start_is_not() -> None:
    start = zigzag()
    moved = np.repeat(start.position[None], 3, axis=0)
    moved[1, 7] = moved[1, 0] + [0.0, 0.0, 3.0]
    moved[2, 6:] = moved[2, [0, 1]] + [0.0, 0.0, 2.5]
    count, closest, pair = new_clashes(moved, start.position)
    assert count.tolist() == [0, 1, 2]
    assert closest[1:].tolist() == pytest.approx([3.0, 2.5])
    assert pair[1].tolist() == [0, 7]
    assert pair[0].tolist() == [-1, -1]
    # the same places as a start: nothing is new, even where it comes closer still
    for place in moved[1:]:
        nearer = place.copy()
        nearer[7, 2] -= 0.5
        assert new_clashes(nearer[None], place)[0].tolist() == [0]


def test_neighbours_in_the_chain_are_no_clash() -> None:
    start = zigzag()
    moved = start.position.copy()
    moved[1] = moved[0] + [1.0, 0.0, 0.0]
    found = Quality.of(moved[None], start)
    assert found.clashes[0] == 0
    assert found.bond_most[0] == pytest.approx(2.8)
    assert found.worst_bond[0] == 0


def test_a_bend_changes_one_angle_and_no_bond() -> None:
    start = zigzag()
    found = Quality.of(np.stack([bent(start, 0.3), bent(start, -0.8)]), start)
    np.testing.assert_allclose(found.bond_most, 0.0, atol=1e-9)
    np.testing.assert_allclose(found.angle_most, np.rad2deg([0.3, 0.8]))
    np.testing.assert_allclose(found.angle_rms, np.rad2deg([0.3, 0.8]) / 6**0.5)
    assert found.verdict(NAMES).endswith("a sharp bend, by 46 degrees")


def test_a_torn_chain_is_said_to_be_torn_where_it_is() -> None:
    start = zigzag()
    moved = start.position.copy()
    moved[5:] += [0.0, 0.0, 6.0]
    found = Quality.of(moved[None], start)
    length = (3.8**2 + 36) ** 0.5 - 3.8
    assert found.bond_most[0] == pytest.approx(length)
    assert found.bond_rms[0] == pytest.approx(length / 7**0.5)
    assert f"a chain is torn behind A:5, by {length:.2f} Å" in found.verdict(NAMES)
    moved[5:] -= [0.0, 0.0, 3.2]
    assert "a chain is strained behind A:5, by 0.92 Å" in Quality.of(moved[None], start).verdict(NAMES)


def test_the_verdict_names_the_closest_clash_of_all() -> None:
    start = zigzag()
    moved = np.repeat(start.position[None], 3, axis=0)
    moved[1, 7] = moved[1, 0] + [0.0, 0.0, 3.0]
    moved[2, 7] = moved[2, 2] + [0.0, 0.0, 2.0]
    said = Quality.of(moved, start).verdict(NAMES)
    assert said.startswith("new clashes in 2 of 3 structures, 1 at most, the closest A:3 and A:8 at 2.0 Å, a")


def test_superposition_undoes_any_rigid_motion_but_no_mirror() -> None:
    points = pseudo_complex().position[::9]
    turned = Rotation.from_rotvec([0.4, -2.0, 1.0]).apply(points) + np.array([5.0, 90.0, -3.0])
    noisy = turned + np.random.default_rng(0).normal(size=turned.shape)
    found = superposed_rmsd(np.stack([turned, noisy, points * [1, 1, -1]]), points)
    centred = [noisy - noisy.mean(0), points - points.mean(0)]
    best = Rotation.align_vectors(*centred)[1] / len(points) ** 0.5
    assert found[0] == pytest.approx(0.0, abs=1e-4)
    assert found[1] == pytest.approx(best, rel=1e-6)
    assert found[2] > 5.0


def test_angles_are_those_between_neighbours() -> None:
    start = zigzag()
    np.testing.assert_allclose(bond_angles(start.position, start.angles), 90.0)


def test_backbones_are_alpha_carbons_c1_and_centroids(tmp_path: Path) -> None:
    structure = read_structure(odd_file(tmp_path))[0]
    residues = Residues.of(structure)
    found = Backbone.of(structure, residues)
    assert found.atom == ("CA", "CA", "", "CA")  # the third has none
    np.testing.assert_allclose(found.position[:, 0], [1.0, 6.0, residues.position[2, 0], 13.0])
    assert found.bonds.tolist() == []  # 5 Å are too far, and where an atom is missing nothing is held


def test_chains_are_held_where_they_go_on(trace: Structure) -> None:
    found = Backbone.of(trace, Residues.of(trace))
    gap = 3  # residues 5 to 7 are missing
    assert found.bonds[:, 0].tolist() == [i for i in range(len(found.atom) - 1) if i != gap and i != 6]
    assert all(b == a + 1 and c == b + 1 for a, b, c in found.angles.tolist())
    assert gap not in found.angles[:, 1].tolist()


@pytest.fixture
def trace() -> Structure:
    """Ten CA of two chains in a line, three residues missing after the fourth; the second chain is at 8."""
    number = np.array([1, 2, 3, 4, 8, 9, 10, 1, 2, 3])
    x = 3.8 * np.array([0, 1, 2, 3, 7, 8, 9, 10, 11, 12.0])
    return Structure(
        position=np.stack([x, 0 * x, 0 * x], axis=1),
        element=np.array(["C"] * 10),
        chain=np.array(["A"] * 7 + ["B"] * 3),
        residue=number,
        residue_name=np.array(["ALA"] * 10),
        atom_name=np.array(["CA"] * 10),
        b_factor=np.zeros(10),
    )


def test_names_have_chains_numbers_and_insertion_codes(tmp_path: Path, trace: Structure) -> None:
    assert residue_names(read_residues(odd_file(tmp_path))) == ["H:52", "H:52A", "H:53", "H:54"]
    names = residue_names(Residues.of(trace))
    assert range_name([0, 1, 2, 7, 8], names) == "A:1-3+B:1-2"
    assert range_name(range(10), names) == "A:1-10+B:1-3"
    named = NamedSegments.of((Segment(4, 0, 1, 2, (0, 1)), Segment(7, 1, 2, 2, (8,))), names)
    assert named.names == ("A:1-2", "B:2")
    assert named.of_residues(10).tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 2, 0]


def test_distances_are_between_centroids(trace: Structure) -> None:
    residues = Residues.of(trace)
    found = Distance.parse(" A:1-3  to B,A:10", residues)
    assert found.name == "A:1-3 to B,A:10"
    place = np.stack([residues.position, 2 * residues.position])
    np.testing.assert_allclose(found.of(place), np.array([1, 2]) * 3.8 * 9.5)


def test_a_screw_is_its_axis_its_angle_and_what_goes_along() -> None:
    """A point of the axis goes along it, whatever centre the motion is written about."""
    axis, point, slide = np.array([2.0, -1.0, 2.0]) / 3, np.array([4.0, 5.0, -6.0]), 1.7
    centre = np.array([[10.0, -3.0, 2.0]])
    angles = np.array([0.2, -1.0, 3.0])
    turn = angles[:, None, None] * axis
    moved = (
        np.stack([Rotation.from_rotvec(t[0]).apply(centre[0] - point) for t in turn]) + point + slide * axis
    )
    motion = RigidMotion(
        torch.tensor(turn), torch.tensor(moved[:, None] - centre), torch.tensor(centre), torch.ones(3, 1)
    )
    main = main_axes(motion)
    np.testing.assert_allclose(main, axis[None], atol=1e-12)  # the mean turn is positive
    middle = np.array([100.0, 0.0, 0.0])
    found = Screws.of(motion, main, middle=middle)
    np.testing.assert_allclose(found.angle[:, 0], np.rad2deg(np.abs(angles)))
    np.testing.assert_allclose(found.turn[:, 0], np.rad2deg(angles))
    np.testing.assert_allclose(found.slide[:, 0], slide * np.sign(angles))
    away = found.hinge[:, 0] - middle - point
    np.testing.assert_allclose(away - (away @ axis)[:, None] * axis, 0.0, atol=1e-9)
    np.testing.assert_allclose((found.hinge[:, 0] - middle - centre[0]) @ axis, 0.0, atol=1e-9)


def test_turns_beyond_half_a_turn_are_the_shorter_way() -> None:
    turn = torch.tensor([[[0.0, 0.0, 1.2 * np.pi]], [[0.0, 0.0, 0.9 * np.pi]]])
    still = torch.zeros(2, 1, 3)
    motion = RigidMotion(turn, still, torch.zeros(1, 3), torch.ones(2, 1))
    found = Screws.of(motion, np.array([[0.0, 0.0, 1.0]]), middle=np.zeros(3))
    np.testing.assert_allclose(found.turn[:, 0], [-144.0, 162.0], rtol=1e-5)
    np.testing.assert_allclose(found.angle[:, 0], [144.0, 162.0], rtol=1e-5)
    np.testing.assert_allclose(main_axes(replace(motion, turn=0 * turn)), [[0.0, 0.0, 1.0]])
