"""States: clusters that are there are found, whatever finds them, and what cannot be parted is refused."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.analysis.states import How, find_states, parse_states
from trimorph.core.errors import InputError
from trimorph.core.label_agreement import match_labels

WAYS = get_args(How)


def clouds(
    count: int, *, seed: int = 0, shares: tuple[float, ...] = (0.5, 0.3, 0.2)
) -> tuple[Float[ndarray, "n 3"], Int[ndarray, " n"]]:
    """Particles in long Gaussian clouds of three dimensions, and which cloud each is of."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(shares), size=count, p=shares)
    places = np.array([[0.0, 0, 0], [0, 9, 0], [0, 0, 9]])
    return places[truth] + rng.normal(size=(count, 3)) * [2.0, 1.0, 1.0], truth


@pytest.mark.parametrize("how", WAYS)
def test_clouds_are_found(how: How) -> None:
    mean, truth = clouds(900)
    told = find_states(mean, how=how, count=3)
    assert match_labels(told.label, truth).agreement > 0.99
    assert told.name == f"{how}3"
    assert told.number().sum() == 900
    own = told.label[told.centre]
    assert own.tolist() == [0, 1, 2]  # each centre is a particle of its own state
    middles = np.array([mean[truth == cloud].mean(0) for cloud in range(3)])
    apart = np.linalg.norm(told.z[:, None] - middles, axis=2).min(1)
    assert apart.max() < 1.5
    np.testing.assert_array_equal(told.z, mean[told.centre])


@pytest.mark.parametrize("how", ["mixture", "peaks"])
def test_their_number_is_found(how: How) -> None:
    mean, truth = clouds(900)
    found = find_states(mean, how=how)
    assert found.count == 3
    assert match_labels(found.label, truth).agreement > 0.99
    assert find_states(mean[truth == 0], how=how).count == 1


def test_a_mixture_knows_shapes_that_kmeans_does_not() -> None:
    """Two long clouds side by side: k-means cuts both across."""
    rng = np.random.default_rng(0)
    truth = np.arange(1000) % 2
    mean = rng.normal(size=(1000, 2)) * [10.0, 0.5] + np.stack([0 * truth, 4.0 * truth], axis=1)
    assert match_labels(find_states(mean, how="mixture").label, truth).agreement > 0.99
    assert match_labels(find_states(mean, how="kmeans", count=2).label, truth).agreement < 0.6


@pytest.mark.parametrize("how", WAYS)
def test_states_are_the_same_again_and_in_units_of_any_size(how: How) -> None:
    mean, _ = clouds(300)
    first, second, larger = (find_states(z, how=how, count=3) for z in (mean, mean, 1e6 * mean - 7e6))
    np.testing.assert_array_equal(first.label, second.label)
    assert match_labels(first.label, larger.label).agreement == 1.0


@pytest.mark.parametrize("how", WAYS)
def test_neighbours_are_next_to_each_other(how: How) -> None:
    """Seven states on a line are numbered along it, from the lower end of the first component."""
    rng = np.random.default_rng(1)
    along = rng.permutation(np.repeat(np.arange(7.0), 60)) * 10
    mean = np.stack([along + rng.normal(size=420), rng.normal(size=420)], axis=1)
    place = find_states(mean, how=how, count=7).z[:, 0]
    assert np.all(np.diff(place) > 5)


@pytest.mark.parametrize("how", WAYS)
def test_few_particles_and_no_spread_are_one_state(how: How) -> None:
    one = find_states(np.array([[1.0, 2.0]]), how=how)
    assert (one.label.tolist(), one.centre.tolist(), one.count) == ([0], [0], 1)
    same = find_states(np.ones((30, 2)), how=how)
    assert same.count == 1
    assert same.number().tolist() == [30]
    flat = np.stack([np.repeat([0.0, 1.0], 40), np.ones(80)], axis=1)  # the second component says nothing
    assert match_labels(find_states(flat, how=how, count=2).label, flat[:, 0].astype(int)).agreement == 1.0


def test_kmeans_finds_ten_states_also_where_the_file_begins_with_latents_alike() -> None:
    mean = np.concatenate([np.zeros(300), np.arange(1.0, 30.0)])[:, None]
    assert find_states(mean).count == 10
    assert find_states(mean[:304]).count == 5


@pytest.mark.parametrize("how", WAYS)
def test_what_has_no_states_is_refused(how: How) -> None:
    with pytest.raises(InputError, match=r"Found 4 clusters; wanted from 1 to 3, the number of particles"):
        find_states(np.arange(3.0)[:, None], how=how, count=4)
    with pytest.raises(InputError, match=r"5 clusters for 60 particles with 1 different latent; .* to 1\."):
        find_states(np.ones((60, 2)), how=how, count=5)
    broken = np.zeros((5, 2))
    broken[3, 1] = np.nan
    with pytest.raises(InputError, match=r"not finite, first of particle 3 \(1 such\); wanted numbers"):
        find_states(broken, how=how)
    with pytest.raises(InputError, match=r"5 latents of 0 components; .* latent dimension 0 has one state"):
        find_states(np.zeros((5, 0)), how=how)


def test_ways_are_typed_with_a_number_or_without() -> None:
    assert parse_states("kmeans:12") == ("kmeans", 12)
    assert parse_states("mixture") == ("mixture", None)
    for wrong in ("kmean:3", "kmeans:", "kmeans:0", "kmeans:two", "peaks:-1", ""):
        with pytest.raises(InputError, match=r"wanted one of kmeans, mixture, peaks"):
            parse_states(wrong)
