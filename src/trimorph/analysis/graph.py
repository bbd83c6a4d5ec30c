"""The graph of nearest neighbours of latents, and shortest ways through it.

Letters: n particles, d latent components, k anchors.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from trimorph.core.errors import InputError
from trimorph.run.neighbours import nearest_neighbours

NEIGHBOURS, MOST = 5, 10
"""Neighbours of a particle, on average and at most, that itself is one of: as of the paper."""

FEW = 60
"""Particles of a part up to which the way out of it is looked for among all neighbours."""

NO_LENGTH = 1e-300
"""Length of an edge between particles at one place: above zero, which would be no edge."""


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """Edges from each particle to its neighbours, with their Euclidean lengths.

    Neighbours are nearer than ``reach``, which is chosen so that there are ``neighbours`` on average, and the
    nearest ``most`` of them at most; the particle itself counts as one. So an edge may lead one way only: an
    outlier reaches particles that have nearer neighbours than it.
    """

    edges: csr_array[np.float64]
    reach: float
    neighbours: int
    most: int

    @classmethod
    def of(
        cls, mean: Float[ndarray, "n d"], *, neighbours: int = NEIGHBOURS, most: int = MOST
    ) -> NeighbourGraph:
        """The graph of all particles.

        Source: Zhong et al. 2021 (cryoDRGN), Methods, "Latent space graph traversal".
        Errors: InputError for numbers of neighbours that cannot be.

        >>> graph = NeighbourGraph.of(np.array([[0.0], [1.0], [2.0], [9.0]]), neighbours=2, most=3)
        >>> graph.reach, graph.edges.toarray().tolist()[1]
        (1.0, [1.0, 0.0, 1.0, 0.0])
        """
        _refuse_numbers(neighbours, most)
        return cls.of_nearest(*nearest_neighbours(mean, most - 1), neighbours=neighbours)

    @classmethod
    def of_nearest(
        cls, distance: Float[ndarray, "n m"], index: Int[ndarray, "n m"], *, neighbours: int
    ) -> NeighbourGraph:
        """The graph of particles whose nearest others are known, all that they may have at most."""
        count, most = distance.shape[0], distance.shape[1] + 1
        wanted = count * (neighbours - 1)
        # the average counts only those that are among the nearest
        enough = wanted < distance.size
        reach = float(
            np.partition(distance.ravel(), wanted - 1)[wanted - 1] if enough else distance.max(initial=0.0)
        )
        near = distance <= reach
        start = np.concatenate([[0], np.cumsum(near.sum(1))])
        lengths = np.maximum(distance[near], NO_LENGTH)
        edges = csr_array((lengths, index[near], start), shape=(count, count))
        return cls(edges, reach, neighbours, most)

    @property
    def parts(self) -> Int[ndarray, " n"]:
        """The part of each particle, from 0: within one, edges lead from every particle to every other."""
        return np.asarray(connected_components(self.edges, connection="strong")[1])


def graph_legs(
    mean: Float[ndarray, "n d"],
    anchors: Int[ndarray, " k"],
    *,
    neighbours: int,
    most: int,
    connect: bool,
) -> list[Int[ndarray, " _"]]:
    """Shortest ways through the graph of neighbours from each anchor, a particle, to the next.

    With ``connect``, where there is none, edges lead both ways and from each particle to the nearest ``most``
    whatever their length, and parts that are still apart are joined by the shortest gaps.

    Errors: InputError where no way is found, with the parts of the graph.
    """
    _refuse_numbers(neighbours, most)
    distance, index = nearest_neighbours(mean, most - 1)
    graph = NeighbourGraph.of_nearest(distance, index, neighbours=neighbours)
    legs = shortest_legs(graph.edges, anchors)
    gaps = [pair for pair, leg in zip(pairwise(anchors.tolist()), legs, strict=True) if not len(leg)]
    if not gaps:
        return legs
    if connect:
        edges = both_ways(NeighbourGraph.of_nearest(distance, index, neighbours=most).edges)
        first, last, length = gaps_between_parts(mean, edges)
        bridges = both_ways(csr_array(coo_array((length, (first, last)), shape=edges.shape)))
        return shortest_legs(csr_array(edges + bridges), anchors)
    part = graph.parts
    size, (start, end) = np.bincount(part), gaps[0]
    raise InputError(
        f"Found no way from particle {start} to {end}: the graph of {neighbours} neighbours on average and "
        f"{most} at most falls into {len(size)} parts, of which that of {start} holds "
        f"{_particles(part, start)}, that of {end} {_particles(part, end)}, and the largest "
        f"{size.max()} of {len(part)}; wanted one that holds both. --connect joins them, and more "
        f"--neighbours than {neighbours} may; or take --by density, which crosses gaps at a price."
    )


def shortest_legs(edges: csr_array[np.float64], anchors: Int[ndarray, " k"]) -> list[Int[ndarray, " _"]]:
    """Particles on the shortest way from each anchor to the next, both included; none where there is no way.

    Source: Dijkstra, Numer. Math. 1 (1959) 269.

    >>> edges = csr_array(np.array([[0, 1, 5], [0, 0, 1], [0, 0, 0.0]]))
    >>> [leg.tolist() for leg in shortest_legs(edges, np.array([0, 2, 0]))]
    [[0, 1, 2], []]
    """
    legs = []
    for first, last in pairwise(anchors.tolist()):
        before = dijkstra(edges, indices=first, return_predecessors=True)[1]
        leg = [last]
        while leg[-1] != first and leg[-1] >= 0:
            leg.append(int(before[leg[-1]]))
        legs.append(np.array(leg[::-1] if leg[-1] == first else [], np.int64))
    return legs


def both_ways(edges: csr_array[np.float64]) -> csr_array[np.float64]:
    """The same graph with every edge in both directions."""
    return csr_array(edges.maximum(edges.T))


def gaps_between_parts(
    mean: Float[ndarray, "n d"], edges: csr_array[np.float64]
) -> tuple[Int[ndarray, " g"], Int[ndarray, " g"], Float[ndarray, " g"]]:
    """The shortest gaps that together join all parts of a graph: the particles at their ends, and lengths.

    Edges lead both ways. Every part but the largest is joined to the particle nearest to it, until there is
    one part: a minimum spanning tree, with a gap too many where several are as long.
    Source: Nesetril, Milkova & Nesetrilova 2001, Otakar Boruvka on minimum spanning tree problem.

    >>> z = np.array([[0.0], [1.0], [5.0]])
    >>> edges = csr_array(np.array([[0, 1.0, 0], [1.0, 0, 0], [0, 0, 0]]))
    >>> [values.tolist() for values in gaps_between_parts(z, edges)]
    [[1], [2], [4.0]]
    """
    count, part = connected_components(edges, connection="strong")  # needs no transpose, as weak ones do
    tree, found = cKDTree(mean), {}
    while count > 1:
        members = np.split(np.argsort(part, kind="stable"), np.cumsum(np.bincount(part))[:-1])
        links = np.zeros((2, 0), np.int64)
        for own in sorted(members, key=len)[:-1]:
            first, last, length = _way_out(mean, tree, part, own)
            found[min(first, last), max(first, last)] = max(length, NO_LENGTH)
            links = np.concatenate([links, part[[[first], [last]]]], axis=1)
        joined = csr_array((np.ones(links.shape[1]), (links[0], links[1])), shape=(count, count))
        count, name = connected_components(joined, directed=False)
        part = name[part]
    ends = np.array(list(found), np.int64).reshape(-1, 2)
    return ends[:, 0], ends[:, 1], np.array(list(found.values()))


def _way_out(
    mean: Float[ndarray, "n d"], tree: cKDTree, part: Int[ndarray, " n"], own: Int[ndarray, " m"]
) -> tuple[int, int, float]:
    """The particle of a part, and that of another, that are nearest to each other, and how far apart."""
    if len(own) <= FEW:  # among one more neighbours than there are particles, one is of another part
        far, near = map(np.asarray, tree.query(mean[own], k=range(1, len(own) + 2)))
        far = np.where(part[near] == part[own[0]], np.inf, far)
    else:
        others = np.flatnonzero(part != part[own[0]])
        far, near = map(np.asarray, cKDTree(mean[others]).query(mean[own], k=[1]))
        near = others[near]
    row, column = np.unravel_index(int(far.argmin()), far.shape)
    return int(own[row]), int(near[row, column]), float(far[row, column])


def _refuse_numbers(neighbours: int, most: int) -> None:
    """Raise InputError for numbers of neighbours that cannot be."""
    if not 2 <= neighbours <= most:
        raise InputError(
            f"Found {neighbours} neighbours on average and {most} at most; wanted 2 or more, as a particle "
            "is its own first, and no more on average than at most. Change --neighbours or --most."
        )


def _particles(part: Int[ndarray, " n"], number: int) -> str:
    """How many particles are in the part of one, in words."""
    count = int((part == part[number]).sum())
    return "it alone" if count == 1 else f"{count} particles"
