"""Recipes: angles, proportions and geometry are those asked for."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from trimorph.core.errors import InputError
from trimorph.data.adenylate_kinase import LID, adenylate_kinase
from trimorph.data.ensemble import assign_states, mixture_weights
from trimorph.data.hinge import natural_hinge
from trimorph.data.pseudo_complex import pseudo_complex
from trimorph.data.recipes import RecipeSource, recipe_states


def test_the_hinge_turns_by_its_angle_and_the_body_stays() -> None:
    states = recipe_states("uniform", RecipeSource())
    assert len(states.structures) == 50
    np.testing.assert_allclose(states.coordinate, 0.03 * np.arange(50))
    first = states.structures[0]
    arm = first.chain == "B"
    for number in (1, 17, 49):
        other = states.structures[number]
        np.testing.assert_array_equal(other.position[~arm], first.position[~arm])
        a, b = (item.position[arm] - item.position[arm].mean(0) for item in (first, other))
        rotation, distance = Rotation.align_vectors(b, a)
        assert distance < 1e-4
        assert rotation.magnitude() == pytest.approx(0.03 * number, abs=1e-6)


def test_the_arm_never_meets_the_body_and_all_fits_in_64_pixels_of_4_angstrom() -> None:
    states = recipe_states("uniform", RecipeSource())
    assert 60 < states.reach < 100
    for structure in states.structures[::7]:
        arm = structure.chain == "B"
        assert cKDTree(structure.position[~arm]).query(structure.position[arm])[0].min() > 3.0


def test_the_axis_is_the_users() -> None:
    whole = pseudo_complex()
    axis, _ = natural_hinge(whole, whole.chain == "B")
    assert np.linalg.norm(axis) == pytest.approx(1.0)
    states = recipe_states("uniform", RecipeSource(whole, "B", (0.0, 0.0, 2.0)))
    np.testing.assert_allclose(states.structures[49].position[:, 2], whole.position[:, 2], atol=1e-9)


@pytest.mark.parametrize(("recipe", "deviation"), [("cooperative", 0.09), ("noncontiguous", 0.03)])
def test_mixtures_have_three_peaks_of_the_papers_width(recipe: str, deviation: float) -> None:
    states = recipe_states(recipe, RecipeSource())
    weights = states.weights / states.weights.sum()
    for peak in (9, 24, 39):
        near = slice(peak - 7, peak + 8)
        share, angle = weights[near], states.coordinate[near]
        assert share.argmax() == 7
        if deviation < 0.05:
            mean = (share * angle).sum() / share.sum()
            assert mean == pytest.approx(0.03 * peak, abs=1e-3)
            spread = np.sqrt((share * (angle - mean) ** 2).sum() / share.sum())
            assert spread == pytest.approx(np.hypot(deviation, 0.03 / 12**0.5), rel=0.02)


def test_mixtures_are_clipped_into_the_last_states() -> None:
    weights = mixture_weights(3, step=1.0, means=[0.0], deviation=1.0)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] == pytest.approx(0.69146, abs=1e-5)
    assert weights[2] == pytest.approx(0.06681, abs=1e-5)


@pytest.mark.parametrize("count", [1, 49, 50, 1001])
def test_states_are_assigned_in_proportion(count: int) -> None:
    states = assign_states(np.array([10.0, 15.0, 25.0]), count, np.random.default_rng(1))
    number = np.bincount(states, minlength=3)
    assert number.sum() == count
    assert np.abs(number - count * np.array([0.2, 0.3, 0.5])).max() < 1


def test_few_images_are_spread_over_many_states() -> None:
    states = np.sort(assign_states(np.ones(50), 10, np.random.default_rng(0)))
    assert (np.diff(states) == 5).all()


def test_compositional_subsets() -> None:
    states = recipe_states("compositional", RecipeSource())
    assert [len(item) for item in states.structures] == [200, 400, 600]
    assert states.weights.tolist() == [10.0, 15.0, 25.0]
    chosen = RecipeSource(pseudo_complex(), subsets=("low=A:1-100", "all=*"))
    pair = recipe_states("compositional", chosen, weights=(1.0, 3.0))
    assert (pair.names, pair.weights.tolist()) == (("low", "all"), [1.0, 3.0])


def test_adenylate_kinase_opens_with_rigid_domains() -> None:
    states = adenylate_kinase(np.array([0.0, 0.5, 1.0]))
    gyration = [np.sqrt(((s.position - s.position.mean(0)) ** 2).sum(1).mean()) for s in states]
    assert gyration == pytest.approx([16.61, 17.8, 19.59], abs=0.1)
    lid = (states[0].residue >= LID[0]) & (states[0].residue <= LID[1]) & (states[0].atom_name == "CA")
    closed, half, opened = (pdist(item.position[lid]) for item in states)
    assert np.abs(half - 0.5 * (closed + opened)).max() < 0.5


@pytest.mark.parametrize(
    ("recipe", "source", "parts"),
    [
        ("unifrom", RecipeSource(), 'no recipe "unifrom".*Did you mean "uniform"'),
        ("uniform", RecipeSource(pseudo_complex()), "nothing that moves.*--moving"),
        ("uniform", RecipeSource(moving="A,B"), "holds 600 of 600 atoms"),
        ("uniform", RecipeSource(axis=(0.0, 0.0, 0.0)), "axis of length zero"),
        ("compositional", RecipeSource(pseudo_complex()), "no subsets.*--subsets"),
        (
            "compositional",
            RecipeSource(pseudo_complex(), subsets=("A", "B", "C")),
            "wanted one NAME=SELECTION",
        ),
    ],
)
def test_recipes_say_what_they_miss(recipe: str, source: RecipeSource, parts: str) -> None:
    with pytest.raises(InputError, match=parts):
        recipe_states(recipe, source)
