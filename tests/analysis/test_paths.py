"""Paths with known answers: straight, along components, and where particles are dense."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.analysis.density_path import Rarity
from trimorph.analysis.paths import component_path, density_path, graph_path, straight_path
from trimorph.core.errors import InputError


def ring(
    count: int, *, end: float = 1.3 * np.pi, dim: int = 2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Latents on a circle that is open at one side, and their angles."""
    rng = np.random.default_rng(seed)
    turn = np.sort(rng.uniform(0, end, count))
    flat = np.stack([np.cos(turn), np.sin(turn), *np.zeros((dim - 2, count))], axis=1)
    return flat + 0.04 * rng.normal(size=flat.shape), turn


@pytest.mark.parametrize("dim", [2, 3, 5])
def test_a_circle_is_walked_round_where_the_particles_are(dim):
    z, turn = ring(1500, dim=dim)
    path = density_path(z, z[[10, 1490]])
    radius = np.linalg.norm(path.z[:, :2], axis=1)
    assert radius.min() > 0.85
    assert radius.max() < 1.15
    angle = np.unwrap(np.arctan2(path.z[:, 1], path.z[:, 0]))
    round_it = angle[-1] - angle[0]
    assert round_it == pytest.approx(turn[1490] - turn[10], abs=0.2)  # across it would be -2.2
    # on a grid it is as long as the arc; from particle to particle it goes a little zigzag
    assert path.length == pytest.approx(round_it * (1.0 if dim == 2 else 1.04), rel=0.05)


@pytest.mark.parametrize("dim", [2, 3])
def test_a_dense_detour_is_taken_and_a_thin_short_cut_is_not(dim):
    """Two ways lead from left to right: the lower is shorter, but has a fiftieth of the particles."""
    rng = np.random.default_rng(1)
    turn = np.concatenate([rng.uniform(0, np.pi, 2000), rng.uniform(-np.pi, 0, 40)])
    z = np.stack([np.cos(turn), np.where(turn > 0, 1.0, 0.6) * np.sin(turn)], axis=1)
    z = np.concatenate([z, np.zeros((len(z), dim - 2))], axis=1) + 0.03 * rng.normal(size=(len(z), dim))
    ends = np.zeros((2, dim))
    ends[:, 0] = [-1.0, 1.0]
    path = density_path(z, ends)
    assert path.z[:, 1].max() > 0.9
    assert path.z[:, 1].min() > -0.2


def test_where_particles_are_spread_evenly_the_way_is_straight():
    z = np.random.default_rng(0).uniform(size=(20_000, 2))
    path = density_path(z, np.array([[0.2, 0.3], [0.8, 0.6]]), points=12)
    apart = np.linalg.norm([0.6, 0.3])
    assert path.length == pytest.approx(apart, rel=0.03)
    assert len(path) == 12
    np.testing.assert_array_equal(path.z[[0, -1]], [[0.2, 0.3], [0.8, 0.6]])
    assert path.particle.tolist() == [-1] * 12
    steps = np.diff(path.along)
    assert steps.max() / steps.min() < 1.15


def test_groups_that_are_apart_are_joined_across_the_shortest_gap():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 3))
    z[150:, 0] += 50.0
    path = density_path(z, z[[0, 200]])
    steps = np.diff(path.along)
    gap = np.linalg.norm(z[:150, None] - z[None, 150:], axis=2).min()
    assert (steps > 10).sum() == 1
    assert steps.max() == pytest.approx(gap)
    assert path.particle[[0, -1]].tolist() == [0, 200]


def test_the_rarity_is_minus_the_log_density():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(40_000, 2))
    from scipy.spatial import cKDTree

    rarity = Rarity(cKDTree(z), 50, 0.01)
    radius = np.array([0.0, 1.0, 2.0])
    rare = rarity.at(np.stack([radius, np.zeros(3)], axis=1))
    np.testing.assert_allclose(rare - rare[0], radius**2 / 2, atol=0.45)  # a Poisson count of 50: 0.14 each


def test_one_component_leaves_one_way():
    z = np.random.default_rng(0).normal(size=(500, 1))
    path = density_path(z, np.array([[-1.0], [1.0]]), points=9)
    np.testing.assert_allclose(path.z[:, 0], np.linspace(-1, 1, 9))


def test_few_particles_have_a_density_too():
    z = np.random.default_rng(0).normal(size=(12, 4))
    path = density_path(z, z[[0, 5]])
    assert path.particle[[0, -1]].tolist() == [0, 5]


def test_a_straight_path_passes_all_anchors_and_closes():
    anchors = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 2.0]])
    path = straight_path(anchors, points=7, particle=[8, -1, 3])
    np.testing.assert_allclose(path.z[:, 0], [0, 1, 2, 3, 4, 4, 4])
    assert path.particle.tolist() == [8, -1, -1, -1, -1, -1, 3]
    assert path.length == pytest.approx(6.0)
    assert path.anchor.tolist() == [0, 4, 6]
    loop = straight_path(anchors, points=12, loop=True)
    assert loop.closed
    assert loop.length == pytest.approx(6 + np.sqrt(20))
    assert not path.closed


def test_a_component_path_is_the_principal_axis():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(5000, 3)) * [1.0, 4.0, 0.1] + [3.0, 0.0, 0.0]
    path = component_path(z, 1, points=5)
    np.testing.assert_allclose(path.z[:, 1], 4 * 1.645 * np.linspace(-1, 1, 5), atol=0.3)
    assert path.name == "pc1"
    assert path.length == pytest.approx(8 * 1.645, rel=0.03)


def test_a_path_of_particles_can_be_spaced_evenly():
    z, _ = ring(1500)
    path = graph_path(z, [10, 700, 1490], connect=True)
    even = path.evenly(15)
    steps = np.diff(even.along)
    assert len(even) == 15
    assert steps.max() / steps.min() < 1.3
    np.testing.assert_array_equal(even.z[even.anchor], z[[10, 700, 1490]])
    assert (even.particle >= 0).sum() == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z: straight_path(z[:1]), "Found 1 anchor; wanted two or more"),
        (lambda z: straight_path(z[[0, 1, 1]]), "anchors 2 and 3 have the same latent"),
        (lambda z: straight_path(z[:5], points=4), "Found 4 points for 5 anchors"),
        (lambda z: component_path(z, 4), "principal component 4; wanted one from 1 to 3"),
        (lambda z: component_path(z, 1, limits=(95.0, 5.0)), "limits 95 and 5; wanted two percentiles"),
        (lambda z: component_path(z, 1, points=1), "Found 1 points; wanted two or more"),
        (lambda z: component_path(np.zeros((9, 3)), 1), "the model saw no difference between the particles"),
        (lambda z: density_path(np.zeros((9, 3)), np.zeros((2, 3))), "saw no difference"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(np.random.default_rng(0).normal(size=(20, 3)))
