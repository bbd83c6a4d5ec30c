"""Recipes of moving blobs: sizes, steps and paths are those asked for, in the structures and in the maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from trimorph.cli.main import run
from trimorph.core.errors import InputError
from trimorph.data.blobs import CIRCLE, EXTRA_RADIUS, MOVER_RADIUS
from trimorph.data.ensemble import StructureStates, assign_states
from trimorph.data.motion import Motion
from trimorph.data.mrc import open_stack, read_map
from trimorph.data.pseudo_complex import pseudo_complex
from trimorph.data.recipes import BLOB_RECIPES, RecipeSource, recipe_states
from trimorph.data.simulate import simulate
from trimorph.data.truth import Truth

SMALL: dict[str, Any] = {"box": 32, "pixel_size": 6.0, "voxels": True}
SMOOTH = SMALL | {"resolution": 30.0}
"""Without the ringing of a sharp limit, which moments over the whole box would feel."""


def states_of(recipe: str) -> StructureStates:
    return recipe_states(recipe, RecipeSource())


def motion_of(states: StructureStates) -> Motion:
    assert states.motion is not None
    return states.motion


@pytest.mark.parametrize("recipe", BLOB_RECIPES)
def test_the_body_is_rigid_within_its_radius_and_nothing_meets_the_mover(recipe: str) -> None:
    states = states_of(recipe)
    first = states.structures[0]
    body = first.position[first.chain == "A"]
    assert np.linalg.norm(body, axis=1).max() < 45
    place = motion_of(states).position
    for structure, centre in zip(states.structures, place, strict=True):
        np.testing.assert_array_equal(structure.position[structure.chain == "A"], body)
        mover = structure.chain == "B"
        np.testing.assert_allclose(structure.position[mover].mean(0), centre, atol=1e-9)
        assert cKDTree(structure.position[~mover]).query(structure.position[mover])[0].min() > 5
        radius = np.linalg.norm(structure.position[mover] - centre, axis=1).max()
        assert radius == pytest.approx(MOVER_RADIUS, abs=1.0)
    assert states.reach / 22.4 < 3.0  # at most 3 Å a pixel by default


def test_the_line_is_60_angstrom_in_20_steps_and_longer_than_its_mover_is_wide() -> None:
    states = states_of("linear")
    motion = motion_of(states)
    step = np.diff(motion.position, axis=0)
    np.testing.assert_allclose(step, np.outer(np.ones(19), motion.direction * 60 / 19), atol=1e-9)
    np.testing.assert_allclose(motion.coordinate_of(motion.position), states.coordinate, atol=1e-9)
    assert states.coordinate[-1] == 60 > 2 * MOVER_RADIUS
    assert motion.path == "line"


def test_the_circle_turns_right_handed_by_10_degrees_at_40_angstrom() -> None:
    states = states_of("cyclic")
    motion = motion_of(states)
    assert len(states.structures) == 36
    arm = motion.position - motion.position.mean(0)
    np.testing.assert_allclose(np.linalg.norm(arm, axis=1), CIRCLE)
    np.testing.assert_allclose(arm @ motion.direction, 0, atol=1e-9)
    turned = np.cross(arm, np.roll(arm, -1, axis=0)) @ motion.direction / CIRCLE**2
    np.testing.assert_allclose(turned, np.sin(np.deg2rad(10)))
    np.testing.assert_allclose(
        motion.coordinate_of(motion.position) % (2 * np.pi), states.coordinate, atol=1e-9
    )
    mover = states.structures[0].chain == "B"  # turned as a rigid body, not carried along
    offset = [
        structure.position[mover] - structure.position[mover].mean(0) for structure in states.structures
    ]
    np.testing.assert_allclose(offset[18][:, :2], -offset[0][:, :2], atol=1e-9)


def test_the_extra_blob_comes_in_half_of_the_states_and_changes_nothing_else() -> None:
    mixed, line = states_of("mixed"), states_of("linear")
    assert mixed.composition is not None
    np.testing.assert_array_equal(mixed.composition, np.repeat([0, 1], 20))
    np.testing.assert_array_equal(mixed.coordinate, np.tile(line.coordinate, 2))
    np.testing.assert_array_equal(motion_of(mixed).position[20:], motion_of(line).position)
    path = motion_of(line).position
    for with_it, without in zip(mixed.structures[20:], line.structures, strict=True):
        extra = with_it.chain == "C"
        np.testing.assert_array_equal(with_it.position[~extra], without.position)
        blob = with_it.position[extra]
        assert np.linalg.norm(blob - blob.mean(0), axis=1).max() == pytest.approx(EXTRA_RADIUS, abs=1.0)
        assert cKDTree(path).query(blob)[0].min() > 2 * MOVER_RADIUS
        assert 4 < cKDTree(without.position).query(blob)[0].min() < 7


def test_weights_make_compositions_uneven_or_not() -> None:
    uneven = (0.2,) * 20 + (0.8,) * 20
    for weights, number in ((uneven, [80, 320]), (None, [200, 200])):
        states = recipe_states("mixed", RecipeSource(), weights=weights)
        assert states.composition is not None
        state = assign_states(states.weights, 400, np.random.default_rng(0))
        composition = states.composition[state]
        assert np.bincount(composition).tolist() == number
        table = np.histogram2d(states.coordinate[state], composition, bins=(20, 2))[0]
        np.testing.assert_array_equal(table, np.array(number) / 20 * np.ones((20, 1)))


@pytest.mark.parametrize("recipe", ["linear", "cyclic"])
def test_motion_of_the_truth_is_in_the_frame_of_maps_and_images(tmp_path: Path, recipe: str) -> None:
    """The mover's centroid in maps without body, and in projections of them, is where the truth puts it."""
    made = simulate(recipe, tmp_path / "a", count=40, snr=None, **SMOOTH)
    truth = Truth.read(made.truth_file)
    assert truth.motion is not None
    assert made.states is not None
    maps = np.stack([read_map(path).values for path in sorted(made.states.glob("*.mrc"))])
    side = 6.0 * (np.arange(32) - 16)
    for a, b in ((0, 9), (3, 17), (12, 19)):
        difference = (maps[b] - maps[a]).astype(np.float64)  # what was moved: mass times displacement
        z, y, x = np.meshgrid(side, side, side, indexing="ij")
        dipole = np.array([(difference * w).sum() for w in (x, y, z)])
        mass = 18.6 * 51 / 6.0**3
        step = truth.motion.position[b] - truth.motion.position[a]
        np.testing.assert_allclose(dipole / mass, step, atol=0.02)
    middle = np.array([(maps.mean(0) * w).sum() for w in (x, y, z)]) / maps.mean(0).sum()
    assert np.abs(middle).max() < 1.0  # in the middle of the box


def test_a_projection_shows_the_mover_where_pose_and_motion_say(tmp_path: Path) -> None:
    """Images of one pose list, states 0 and k: the difference of first moments is R (x_k - x_0)."""
    plain: dict[str, Any] = {
        **SMOOTH, "count": 12, "snr": None, "shift": 0.0, "defocus": (0.0, 0.0), "states": False,
        "spherical_aberration": 0.0, "amplitude_contrast": 1.0, "seed": 3,
    }  # fmt: skip
    only = [tuple(float(k == state) for k in range(36)) for state in (0, 11)]
    first, other = (simulate("cyclic", tmp_path / f"{n}", weights=w, **plain) for n, w in enumerate(only))
    stacks = [open_stack(made.stack).read(np.arange(12)).astype(np.float64) for made in (first, other)]
    side = 6.0 * (np.arange(32) - 16)
    difference = stacks[1] - stacks[0]
    seen = np.stack([(difference * side).sum((1, 2)), (difference * side[:, None]).sum((1, 2))], axis=1)
    motion = first.truth.motion
    assert motion is not None
    wanted = (first.truth.rotation @ (motion.position[11] - motion.position[0]))[:, :2]
    np.testing.assert_allclose(seen / (18.6 * 51 / 6.0**3), wanted, atol=0.1)


def test_truths_are_read_as_written_and_older_ones_too(tmp_path: Path) -> None:
    made = simulate("mixed", tmp_path / "m", count=4, states=False, **SMALL)
    read = Truth.read(made.truth_file)
    assert read.motion is not None
    assert made.truth.motion is not None
    for name in ("path", "direction", "position", "radius"):
        np.testing.assert_array_equal(getattr(read.motion, name), getattr(made.truth.motion, name))
    np.testing.assert_array_equal(read.composition, made.truth.composition)
    assert not read.circular
    with np.load(made.truth_file) as file:
        older = {
            name: file[name] for name in file.files if "motion" not in name and "composition" not in name
        }
    np.savez(tmp_path / "older.npz", **older)
    before = Truth.read(tmp_path / "older.npz")
    assert (before.motion, before.composition, before.circular) == (None, None, False)
    np.testing.assert_array_equal(before.coordinate, read.coordinate)
    np.savez(tmp_path / "newer.npz", **older, **{**read.motion.arrays(), "motion_path": np.array("spiral")})
    with pytest.raises(InputError, match=r'newer\.npz: found a path "spiral"; wanted one of line, circle'):
        Truth.read(tmp_path / "newer.npz")


@pytest.mark.parametrize("recipe", [*BLOB_RECIPES, "adk"])
def test_finished_recipes_refuse_parts(recipe: str) -> None:
    source = RecipeSource(pseudo_complex(), moving="B")
    with pytest.raises(InputError, match=rf"Recipe {recipe}: found --structure, --moving; wanted none"):
        recipe_states(recipe, source)
    with pytest.raises(InputError, match=r"found --axis; wanted none.*Leave it out"):
        recipe_states(recipe, RecipeSource(axis=(0.0, 0.0, 1.0)))


def test_ceilings_of_angles_and_compositions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--box", "16", "--pixel-size", "13", "--count", "80", "--voxels", "--no-states", "--ceiling"]
    found = {}
    for recipe in ("cyclic", "mixed"):
        assert run(["simulate", recipe, "-o", str(tmp_path / recipe), "--snr", "2", *common]) == 0
        found[recipe] = Truth.read(tmp_path / f"{recipe}_truth.npz")
    said = " ".join(capsys.readouterr().out.split())
    assert "40 states by distance along the path in Å" in said
    assert f"circular correlation {found['cyclic'].ceiling:.3f} of the expected angle" in said
    assert f"{100 * found['mixed'].composition_ceiling:.1f} % of the compositions can be told" in said
    assert found["cyclic"].composition_ceiling is None
    for truth in found.values():
        assert 0.8 < truth.ceiling < 1
    assert found["mixed"].composition_ceiling > 0.8
    angle = found["cyclic"].expected_coordinate
    assert ((angle >= 0) & (angle < 2 * np.pi)).all()
