"""The graph of neighbours and its shortest ways: against brute force, and against what cryoDRGN prints."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from trimorph.analysis.graph import NeighbourGraph, both_ways, gaps_between_parts
from trimorph.analysis.paths import component_path, graph_path, straight_path
from trimorph.core.errors import InputError
from trimorph.data.cryodrgn import read_latents


def clusters(count: int, dim: int, *, seed: int = 0) -> np.ndarray:
    """Latents in three groups that touch."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, dim)) + 2.0 * rng.integers(3, size=(count, 1))


def brute_edges(z: np.ndarray, *, neighbours: int, most: int) -> np.ndarray:
    """Lengths of edges by all pairs of distances: inf where there is none."""
    distance = np.linalg.norm(z[:, None] - z[None], axis=2)
    order = np.argsort(distance, axis=1, kind="stable")[:, :most]  # itself first
    kept = np.take_along_axis(distance, order, axis=1)
    reach = np.sort(kept.ravel())[len(z) * neighbours - 1]
    edges = np.full(distance.shape, np.inf)
    near = np.zeros(distance.shape, bool)
    np.put_along_axis(near, order, kept <= reach, axis=1)
    edges[near] = distance[near]
    np.fill_diagonal(edges, np.inf)
    return edges


def brute_length(edges: np.ndarray, first: int, last: int) -> float:
    """Bellman and Ford's shortest length."""
    best = np.full(len(edges), np.inf)
    best[first] = 0.0
    for _ in range(len(edges)):
        new = np.minimum(best, (best[:, None] + edges).min(0))
        if np.array_equal(new, best):
            break
        best = new
    return float(best[last])


@pytest.mark.parametrize(("dim", "neighbours", "most"), [(2, 5, 10), (8, 5, 10), (3, 4, 4)])
def test_edges_and_lengths_are_those_of_brute_force(dim, neighbours, most):
    z = clusters(150, dim)
    graph = NeighbourGraph.of(z, neighbours=neighbours, most=most)
    expected = brute_edges(z, neighbours=neighbours, most=most)
    found = np.where(graph.edges.toarray() > 0, graph.edges.toarray(), np.inf)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # itself is one of the neighbours, and two particles may be as far from each other as the farthest
    assert 0 <= np.isfinite(found).sum() - len(z) * (neighbours - 1) <= 1
    assert np.isfinite(found).sum(1).max() <= most - 1
    lengths = [brute_length(expected, 0, last) for last in range(1, 40)]
    for last, length in enumerate(lengths, start=1):
        if np.isfinite(length):
            assert graph_path(z, [0, last], neighbours=neighbours, most=most).length == pytest.approx(length)
    assert np.isfinite(lengths).sum() > 10


def test_a_circle_is_walked_round_and_not_across():
    turn = np.sort(np.random.default_rng(0).uniform(0, 1.8 * np.pi, 600))
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    path = graph_path(ring, [0, 599], connect=True)
    assert np.all(np.diff(turn[path.particle]) > 0)
    assert path.length == pytest.approx(turn[-1] - turn[0], rel=2e-2)
    assert path.length > 5 * np.linalg.norm(ring[0] - ring[-1])


def test_anchors_are_passed_in_turn_and_loops_end_where_they_begin():
    z = clusters(400, 2)
    path = graph_path(z, [3, 50, 7], loop=True, connect=True)
    assert path.particle[path.anchor].tolist() == [3, 50, 7, 3]
    assert path.closed
    np.testing.assert_array_equal(path.z, z[path.particle])
    assert path.along[-1] == pytest.approx(path.length)


def test_a_graph_that_falls_apart_says_into_how_many_parts_and_what_joins_them():
    z = np.concatenate([clusters(100, 2), clusters(60, 2, seed=1) + 500.0])
    with pytest.raises(InputError) as caught:
        graph_path(z, [0, 120])
    edges = np.isfinite(brute_edges(z, neighbours=5, most=10))
    reached = np.linalg.matrix_power((edges | np.eye(160, dtype=bool)).astype(float), 160) > 0
    parts = len(np.unique(reached & reached.T, axis=0))
    assert (
        f"from particle 0 to 120: the graph of 5 neighbours on average and 10 at most falls into {parts}"
        in str(caught.value)
    )
    assert "--connect joins them" in str(caught.value)
    joined = graph_path(z, [0, 120], connect=True)
    steps = np.diff(joined.along)
    assert (steps > 100).sum() == 1
    # the gap that it crosses is the shortest between the groups
    assert steps.max() == pytest.approx(np.linalg.norm(z[:100, None] - z[None, 100:], axis=2).min())


def test_gaps_between_many_parts_are_a_minimum_spanning_tree():
    """Against all pairs of groups, by scipy's tree of the shortest distances between them."""
    rng = np.random.default_rng(0)
    size = rng.integers(1, 90, 12)
    z = np.concatenate([rng.normal(size=(count, 3)) + 30 * rng.normal(size=3) for count in size])
    group = np.repeat(np.arange(12), size)
    whole = csr_array((group[:, None] == group[None]).astype(float))
    first, last, length = gaps_between_parts(z, whole)
    apart = np.linalg.norm(z[:, None] - z[None], axis=2)
    np.testing.assert_allclose(apart[first, last], length)
    between = [[apart[np.ix_(group == a, group == b)].min() * (a != b) for a in range(12)] for b in range(12)]
    expected = minimum_spanning_tree(np.array(between)).data
    np.testing.assert_allclose(np.sort(length), np.sort(expected))


def test_connecting_changes_nothing_where_there_is_a_way():
    z = clusters(400, 2)
    plain, joined = (graph_path(z, [3, 60], connect=connect) for connect in (False, True))
    np.testing.assert_array_equal(plain.particle, joined.particle)


def test_particles_at_one_place_are_neighbours():
    z = np.repeat(np.arange(5.0), 30)[:, None]
    path = graph_path(z, [0, 149], connect=True)
    np.testing.assert_array_equal(np.unique(path.z), np.arange(5.0))
    first, last, length = gaps_between_parts(z, both_ways(NeighbourGraph.of(z, neighbours=10, most=10).edges))
    assert np.sort(np.round(length))[-4:].tolist() == [1, 1, 1, 1]
    assert len(first) == len(last) == len(length)


@pytest.mark.parametrize(
    ("anchors", "options", "message"),
    [
        ([3], {}, "Found 1 anchor; wanted two or more"),
        ([3, 3], {}, "anchors 1 and 2 have the same latent"),
        ([3, 400], {}, "Found particle 400; wanted numbers from 0 to 399"),
        ([-1, 3], {}, "Found particle -1"),
        ([3, 5], {"neighbours": 12}, "Found 12 neighbours on average and 10 at most"),
        ([3, 5], {"neighbours": 1}, "wanted 2 or more"),
    ],
)
def test_anchors_and_numbers_that_cannot_be(anchors, options, message):
    with pytest.raises(InputError, match=message):
        graph_path(clusters(400, 2), anchors, **options)


# What cryoDRGN 4.3 prints, by its own tests of graph_traversal, direct_traversal and pc_traversal.
# Its latents are not part of this repository: the variable TRIMORPH_CRYODRGN names a folder that holds them,
# tests/data of its sources.


@pytest.fixture
def recorded():
    """Latents of a file among cryoDRGN's own test data; the test is skipped by name where it is absent."""

    def read(name: str) -> np.ndarray:
        folder = os.environ.get("TRIMORPH_CRYODRGN", "")
        if not folder or not (Path(folder) / name).is_file():
            pytest.skip(f"needs {name} of cryoDRGN's tests/data in the folder TRIMORPH_CRYODRGN")
        return read_latents(Path(folder) / name)

    return read


SHORT = [50, 22, 1310, 1047, 1093, 857, 159, 1215, 157, 1006, 672, 100]
WIDER = [50, 22, 1310, 1047, 1069, 688, 913, 100]
LONG = [2020, 4117, 1402, 3480, 1106, 3030, 3824, 3792, 707, 41, 3210, 2257, 392, 301, 4040]


@pytest.mark.parametrize(
    ("name", "numbers", "particles", "reach", "lengths"),
    [
        ("zvals_het-2_1k.pkl", (10, 30), SHORT, 0.1022, [0.8441]),
        ("zvals_het-2_1k.pkl", (20, 50), WIDER, 0.149, [0.808]),
        ("zvals_het-8_4k.pkl", (5, 10), LONG, 0.7912, [2.409, 5.141]),
    ],
)
def test_cryodrgns_graph_paths(recorded, name, numbers, particles, reach, lengths):
    z = recorded(name)
    neighbours, most = numbers
    anchors = [50, 100] if len(lengths) == 1 else [2020, 3030, 4040]
    path = graph_path(z, anchors, neighbours=neighbours, most=most)
    assert path.particle.tolist() == particles
    np.testing.assert_allclose(np.diff(path.along[path.anchor]), lengths, rtol=2e-4)
    assert NeighbourGraph.of(z, neighbours=neighbours, most=most).reach == pytest.approx(reach, abs=6e-5)


@pytest.mark.parametrize("anchors", [(50, 1500), (75, 1300)])
def test_cryodrgns_gaps(recorded, anchors):
    with pytest.raises(InputError, match=f"no way from particle {anchors[0]} to {anchors[1]}"):
        graph_path(recorded("zvals_het-8_4k.pkl"), anchors, neighbours=3, most=7)


def test_cryodrgns_straight_and_component_paths(recorded):
    z = recorded("zvals_het-8_4k.pkl")
    straight = straight_path(z[[1099, 4001]], points=6).z
    assert round(float((straight @ straight.T).sum()), 5) == pytest.approx(185.24840, abs=2e-5)
    along = component_path(z, 3)
    axis = (along.z[-1] - along.z[0]) / along.length
    limits = (along.z[[0, -1]] - z.mean(0)) @ axis
    np.testing.assert_allclose(np.sort(np.abs(limits)), [2.17560, 2.29041], atol=1e-5)
    near = [int((np.linalg.norm(z - point, axis=1) < 3).sum()) for point in along.z]
    counts = [1016, 1324, 1611, 1823, 1951, 1905, 1686, 1407, 1043, 673]
    assert near in (counts, counts[::-1])
    plane = recorded("zvals_het-2_1k.pkl")
    # its --pc 0 is taken for the last component
    along = component_path(plane, 2, points=5, limits=(0.10, 0.85))
    near = [int((np.linalg.norm(plane - point, axis=1) < 3).sum()) for point in along.z]
    if near != [1183, 1186, 1189, 1191, 1198]:  # the axis points the other way: so do its percentiles
        along = component_path(plane, 2, points=5, limits=(99.15, 99.90))
        near = [int((np.linalg.norm(plane - point, axis=1) < 3).sum()) for point in along.z[::-1]]
    assert near == [1183, 1186, 1189, 1191, 1198]


def test_cryodrgns_straight_path_by_its_ends_alone():
    ends = np.array([[-2.08011341, -0.1485731], [-1.48644042, -0.12028652]])
    expected = [
        [-2.08011341, -0.1485731],
        [-1.96137881, -0.14291579],
        [-1.84264421, -0.13725847],
        [-1.72390962, -0.13160115],
        [-1.60517502, -0.12594384],
        [-1.48644042, -0.12028652],
    ]
    np.testing.assert_allclose(straight_path(ends, points=6).z, expected, atol=1e-8)


def test_cryodrgns_lengths_by_its_printed_latents():
    """The latents that it prints for a path, rounded, and the distances that it prints."""
    z = np.array(
        [
            [-2.132, -0.063, 1.11, -0.422, 0.539, -0.169, 0.187, 0.2],
            [-2.108, -0.115, 0.939, -0.465, 0.325, -0.154, 0.233, 0.362],
            [-2.112, -0.019, 0.621, -0.615, 0.335, -0.056, 0.212, 0.313],
            [-2.397, -0.137, 0.157, -0.524, 0.249, 0.077, 0.217, 0.397],
            [-2.582, -0.053, 0.102, -0.193, 0.13, -0.047, 0.112, 0.787],
            [-2.616, -0.06, 0.14, -0.064, 0.302, -0.009, -0.263, 1.064],
        ]
    )
    path = straight_path(z, points=6)
    np.testing.assert_array_equal(path.z, z)
    np.testing.assert_allclose(np.diff(path.along), [0.33, 0.381, 0.592, 0.589, 0.517], atol=1.5e-3)
    assert path.length == pytest.approx(2.409, abs=3e-3)
    assert straight_path(z[[0, 5]]).length == pytest.approx(1.528, abs=2e-3)


def test_one_particle_has_no_edges():
    graph = NeighbourGraph.of(np.zeros((1, 2)))
    assert (graph.edges.shape, graph.edges.nnz, graph.parts.tolist()) == ((1, 1), 0, [0])
