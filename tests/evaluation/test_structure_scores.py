"""A run whose hinge is known, against true structures that turn about the same hinge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from run.hinger import AXIS, BOUNDARY, PIVOT, write_hinge_run
from trimorph.core.errors import InputError
from trimorph.data.mrc import read_map
from trimorph.data.scattering import AtomicDensity
from trimorph.data.simulate import simulate
from trimorph.data.structure import Structure, read_structure
from trimorph.data.template import Template
from trimorph.evaluation.score_list import distance_key
from trimorph.evaluation.structure_scores import score_structures, true_structures
from trimorph.methods import registry
from trimorph.run.run import Run
from trimorph.run.structures_model import MovingStructure

ANGLES = np.array([0.0, 0.4, -0.6])
DISTANCE = "A:165-180 to A:30-59"


@pytest.fixture(autouse=True)
def _hinger_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.METHODS, "hinger", "run.hinger:Hinger")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "hinger", "run.hinger:Hinger")
        return write_hinge_run(tmp_path_factory.mktemp("hinge"))


@pytest.fixture
def structures(run: Run) -> list[Structure]:
    """The run's structure about the maps' middle, turned behind BOUNDARY by each angle."""
    moving = MovingStructure.of(run)
    start = read_structure(run.path.parent / "adk.pdb")[0]
    return [turned(start.move(start.position - moving.middle), angle) for angle in ANGLES]


def turned(structure: Structure, angle: float) -> Structure:
    behind = structure.residue >= BOUNDARY
    place = structure.position.copy()
    place[behind] = Rotation.from_rotvec(angle * AXIS).apply(place[behind] - PIVOT) + PIVOT
    return structure.move(place)


def alpha(structure: Structure) -> np.ndarray:
    return structure.position[structure.atom_name == "CA"]


def latents(angles: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.stack([angles, np.zeros(len(angles))], axis=1)


def test_the_true_motion_has_no_error(run: Run, structures: list[Structure]) -> None:
    state = np.array([0, 1, 2, 1])
    found = score_structures(
        run, latents(ANGLES[state]), state, structures, particles=np.arange(4), distances=[DISTANCE]
    )
    np.testing.assert_allclose(found.rmsd, 0.0, atol=1e-3)
    np.testing.assert_allclose(found.superposed, 0.0, atol=0.02)
    told = found.values()
    assert told[distance_key(DISTANCE, "pearson")] == pytest.approx(1.0, abs=1e-5)
    assert told[distance_key(DISTANCE, "spearman")] == pytest.approx(1.0)
    assert told[distance_key(DISTANCE, "error")] == pytest.approx(0.0, abs=1e-3)


def test_errors_are_those_of_the_coordinates(run: Run, structures: list[Structure]) -> None:
    """Particles of states 1 and 2 whose latents say the start, and half of the way."""
    state, z = np.array([1, 2]), latents([0.0, -0.3])
    found = score_structures(run, z, state, structures, particles=np.arange(2), distances=[DISTANCE])
    half = turned(structures[0], -0.3)
    for row, (ours, true) in enumerate([(structures[0], structures[1]), (half, structures[2])]):
        a, b = alpha(ours), alpha(true)
        assert found.rmsd[row] == pytest.approx(np.sqrt(((a - b) ** 2).sum(1).mean()), abs=1e-3)
        centred = a - a.mean(0), b - b.mean(0)
        assert found.superposed[row] == pytest.approx(
            Rotation.align_vectors(*centred)[1] / np.sqrt(len(a)), abs=0.02
        )
    start = alpha(structures[0])
    for row, which in enumerate(state):
        moved = np.sqrt(((alpha(structures[which]) - start) ** 2).sum(1).mean())
        assert found.start_rmsd[row] == pytest.approx(moved, abs=1e-3)
    assert found.values()["rmsd"] == pytest.approx(found.rmsd.mean())
    assert found.blind()["rmsd"] == pytest.approx(found.start_rmsd.mean())
    assert found.start_rmsd[0] == pytest.approx(found.rmsd[0], abs=1e-3)
    ours, true = found.distances[DISTANCE]
    at_rest = found.blind()[distance_key(DISTANCE, "error")]
    assert at_rest == pytest.approx(
        np.sqrt(np.mean((ours[0] - true) ** 2)), abs=1e-3
    )  # the first is the start
    residue = structures[0].residue[structures[0].atom_name == "CA"]
    groups = [(residue >= 165) & (residue <= 180), (residue >= 30) & (residue <= 59)]
    for place, value in ((structures[1], true[0]), (half, ours[1])):
        first, second = (alpha(place)[group].mean(0) for group in groups)
        assert value == pytest.approx(np.linalg.norm(first - second), abs=1e-2)


def test_residues_are_matched_by_their_names(run: Run, structures: list[Structure]) -> None:
    some = [each.select(each.residue > 20) for each in structures]
    z, state = latents(ANGLES), np.arange(3)
    found = score_structures(run, z, state, some, particles=np.arange(3))
    np.testing.assert_allclose(found.rmsd, 0.0, atol=1e-3)
    with pytest.raises(InputError, match="found 9 of 30 residues of a group in all true structures"):
        score_structures(
            run, z, state, [each.select(each.residue > 50) for each in structures],
            particles=np.arange(3), distances=[DISTANCE],
        )  # fmt: skip
    other = [each.select(each.residue < 3) for each in structures]
    with pytest.raises(InputError, match="found 2 residues that are in the run's structure and in all true"):
        score_structures(run, z, state, other, particles=np.arange(3))


def test_true_structures_lie_about_the_middle_of_the_maps(run: Run, tmp_path: Path) -> None:
    """Simulated from files and from a recipe: the structures' densities are the states' maps."""
    template = Template.read(run.path.parent / "adk.pdb")
    behind = template.position[:, 0] > template.position[:, 0].mean()
    files = [tmp_path / "one.pdb", tmp_path / "two.pdb"]
    for file, shift in zip(files, (0.0, 9.0), strict=True):
        template.write(file, [template.position + np.outer(behind, [shift, 0.0, 0.0])])
    made = simulate(files, tmp_path / "two", count=2, box=16, pixel_size=8.0)
    found = true_structures(made.truth, files)
    assert found is not None
    assert made.states is not None
    assert made.resolution is not None
    for number, structure in enumerate(found):
        density = AtomicDensity.of(structure, resolution=made.resolution, origin=np.zeros(3))
        known = read_map(made.states / f"state_{number + 1:03d}.mrc").values
        ours = density.voxels(16, 8.0)[0].numpy()
        assert np.abs(ours - known).max() < 1e-3 * known.max()
    assert true_structures(made.truth, []) is None
    with pytest.raises(InputError, match=r"one\.pdb: found 1 models; wanted 2, one for each state"):
        true_structures(made.truth, files[:1])
    recipe = true_structures(replace(made.truth, source="adk"), [])
    assert recipe is not None
    assert len(recipe) == 50
