"""Latents that know all, that know nothing, and that know the pose instead."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.data.truth import Truth
from trimorph.evaluation.latent_scores import neighbourhood_scores, score_latents, spread
from trimorph.evaluation.truth_spaces import as_classes, nuisance_spaces, rows_of, sortable, state_space

Moving = tuple[Truth, np.ndarray]


def perfect(truth: Truth) -> np.ndarray:
    space = state_space(truth)
    assert space is not None
    return space


def test_the_truth_scores_best(moving: Moving) -> None:
    truth, _ = moving
    found = score_latents(perfect(truth), truth)
    values = found.values
    assert values["kept_neighbours"] > 0.95
    assert values["imbalance_to_truth"] == values["imbalance_from_truth"]
    assert values["imbalance_to_truth"] < 0.25  # a state has 10 or 20 images of 400, and 30 are asked
    if truth.circular:
        assert values["angle_correlation"] == pytest.approx(1.0)
        assert values["angle_error"] == pytest.approx(0.0, abs=1e-6)
        assert values["population_error"] < 0.1
    else:
        assert values["direction_correlation"] > 0.99
        assert values["shown_correlation"] > 0.99
        assert values["slope_bias"] == pytest.approx(0.0, abs=0.01)
        assert values["population_error"] < 3.0
    assert values["neighbour_correlation"] > 0.98
    assert ("composition_auc" in values) == (truth.composition is not None)
    if truth.composition is not None:
        assert values["composition_auc"] == 1.0


def test_latents_dealt_at_random_score_as_the_blind(moving: Moving) -> None:
    truth, _ = moving
    dealt = np.random.default_rng(0).permutation(len(truth))
    found = score_latents(perfect(truth)[dealt], truth)
    for name in found.values:
        if name.startswith("imbalance"):
            assert found.values[name] == pytest.approx(found.blind[name], abs=0.07), name
    assert found.values["kept_neighbours"] == pytest.approx(found.blind["kept_neighbours"], abs=0.03)
    assert abs(found.values["neighbour_correlation"]) < 0.2
    if not truth.circular:
        # whose positions are not known is put in the middle: 15 Å off on a line of 60 Å
        assert found.values["population_error"] == pytest.approx(15.0, abs=2.5)


def test_latents_that_know_the_pose_are_entangled(moving: Moving) -> None:
    truth, _ = moving
    for name in ("pose", "ctf", "shift"):
        values, _ = neighbourhood_scores(nuisance_spaces(truth)[name], truth)
        others = {"pose", "ctf", "shift"} - {name}
        assert values[f"imbalance_to_{name}"] < 0.12
        assert all(values[f"imbalance_to_{other}"] > 0.85 for other in others)
        assert values["imbalance_to_truth"] > 0.85


def test_rows_of_a_truth_are_those_of_its_images(moving: Moving) -> None:
    truth, _ = moving
    rows = np.array([7, 3, 300])
    some = rows_of(truth, rows)
    assert some.state.tolist() == truth.state[rows].tolist()
    assert np.array_equal(some.rotation, truth.rotation[rows])
    assert np.array_equal(some.ctf.defocus_u, truth.ctf.defocus_u[rows])
    assert some.state_probability is not None
    assert truth.state_probability is not None
    assert np.array_equal(some.state_probability, truth.state_probability[rows])


def test_classes_are_scored_by_clusters(moving: Moving) -> None:
    """Of states that are said to have no order, clusters that are the states, and labels that are wrong."""
    truth = moving[0]
    few = as_classes(rows_of(truth, np.flatnonzero(truth.state < 4)))
    assert sortable(few)
    generator = np.random.default_rng(1)
    z = np.eye(4)[few.state] + 0.01 * generator.normal(size=(len(few), 4))
    found = score_latents(z, few)
    assert found.values["accuracy"] == found.values["adjusted_rand"] == 1.0
    assert found.values["population_error"] == 0.0
    assert found.values["kept_neighbours"] == 1.0
    assert "neighbour_correlation" not in found.values
    assert found.match is not None
    assert sorted(found.match.table.max(0)) == sorted(np.bincount(few.state))
    wrong = np.roll(np.eye(4), 1, axis=0)[few.state]  # another name of the same classes
    assert score_latents(wrong, few).values["accuracy"] == 1.0
    blind = score_latents(generator.normal(size=(len(few), 4)), few).values
    assert blind["accuracy"] < 0.5
    assert abs(blind["adjusted_rand"]) < 0.1


def test_latents_that_are_all_the_same_know_nothing(moving: Moving) -> None:
    truth, _ = moving
    values = score_latents(np.ones((len(truth), 2)), truth).values
    assert values["neighbour_correlation"] == 0.0
    assert values["imbalance_to_truth"] == pytest.approx(1.0, abs=0.01)
    assert all(np.isfinite(list(values.values())))


def test_a_sample_is_spread_over_all() -> None:
    assert spread(5, 100).tolist() == [0, 1, 2, 3, 4]
    assert spread(1, 1).tolist() == [0]
    rows = spread(20_001, 2000)
    assert len(rows) == 2000
    assert (rows[0], rows[-1]) == (0, 20_000)
