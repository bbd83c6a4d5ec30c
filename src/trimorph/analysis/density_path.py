"""Ways through latent space along the density of particles: on a grid, or from particle to particle.

A step of length s where the density is p costs s (1 + log(P / p)): its length where particles are densest
(P), more elsewhere. Letters: n particles, d latent components, k anchors, g points.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_array, csr_array
from scipy.spatial import cKDTree

from trimorph.analysis.graph import NO_LENGTH, both_ways, gaps_between_parts, shortest_legs
from trimorph.run.neighbours import AT_ONCE, neighbours_in_turn

COUNTED, SHARE = 50, 0.05
"""Neighbours from which a density is told, and the share of few particles that they are at most."""

FEWEST = 10
"""Neighbours that a way may lead to next, at least: else all that the density is told from."""

GRID, STEP = 160, 3
"""Nodes of the grid along an axis, and the most of them that an edge passes along an axis."""

OUTER, DENSEST = (0.1, 99.9), 1.0
"""Percentiles of the latents that the grid reaches to; percentile of the distances that is the densest."""

BETWEEN = 9
"""Points at which the density is looked up across a gap."""


@dataclass(frozen=True, eq=False)
class DensityLegs:
    """Ways from each anchor to the next: points (g, d), and on a graph the particles that they are."""

    points: list[Float[ndarray, "_ d"]]
    particles: list[Int[ndarray, " _"]] | None


@dataclass(frozen=True, eq=False)
class Rarity:
    """Minus the log density of particles, from 0 where they are densest: d log of the distance to neighbours.

    The density in d dimensions is as the inverse of the volume that holds ``counted`` particles.
    Source: Loftsgaarden & Quesenberry, Ann. Math. Stat. 36 (1965) 1049.
    """

    tree: cKDTree
    counted: int
    nearest: float
    """Distance to the counted neighbours where particles are densest."""

    def of_distance(self, distance: Float[ndarray, " g"]) -> Float[ndarray, " g"]:
        """The rarity where the counted neighbours lie within these distances."""
        return self.tree.m * np.log(np.maximum(distance / self.nearest, 1.0))

    def at(self, z: Float[ndarray, "g d"]) -> Float[ndarray, " g"]:
        """The rarity at any points."""
        distance = np.asarray(self.tree.query(z, k=[self.counted], workers=-1)[0])
        return self.of_distance(distance[:, 0])


def density_legs(mean: Float[ndarray, "n d"], anchors: Float[ndarray, "k d"]) -> DensityLegs:
    """The least costly ways from each anchor to the next."""
    if mean.shape[1] <= 2:
        return DensityLegs(_grid_legs(mean, anchors), None)
    through = _graph_legs(mean, anchors)
    return DensityLegs([mean[leg] for leg in through], through)


def _counted(count: int) -> int:
    """How many neighbours tell the density among so many particles."""
    return max(1, min(COUNTED, round(SHARE * count), count - 1))


def _grid_legs(mean: Float[ndarray, "n d"], anchors: Float[ndarray, "k d"]) -> list[Float[ndarray, "g d"]]:
    """Ways on a grid over all but the outermost particles and the anchors."""
    tree, counted = cKDTree(mean), _counted(len(mean))
    some = mean[:: max(1, len(mean) // 5000)]
    own = np.asarray(tree.query(some, k=[counted + 1], workers=-1)[0])[:, 0]
    rarity = Rarity(tree, counted, _densest(own))
    ends = np.concatenate([np.percentile(mean, OUTER, axis=0), anchors])
    low, high = ends.min(0), ends.max(0)
    margin = 0.05 * (high - low)
    axes = [np.linspace(*span, GRID) if span[0] < span[1] else span[:1]
            for span in zip(low - margin, high + margin, strict=True)]  # fmt: skip
    shape = tuple(len(axis) for axis in axes)
    nodes = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    edges = _grid_edges(nodes, shape, rarity.at(nodes))
    start = np.asarray(cKDTree(nodes).query(anchors)[1])
    legs = shortest_legs(both_ways(edges), start)
    # the anchors themselves in place of the nodes nearest to them
    return [np.concatenate([anchors[[number]], nodes[leg[1:-1]], anchors[[number + 1]]])
            for number, leg in enumerate(legs)]  # fmt: skip


def _grid_edges(
    nodes: Float[ndarray, "g d"], shape: tuple[int, ...], rarity: Float[ndarray, " g"]
) -> csr_array[np.float64]:
    """Costs of the steps between nodes of a grid, each pair once, in all directions."""
    number = np.arange(len(nodes)).reshape(shape)
    first, last = [], []
    for step in np.ndindex(*((2 * STEP + 1,) * len(shape))):
        move = [part - STEP for part in step]
        if tuple(move) <= (0,) * len(shape) or gcd(*move) != 1:
            continue
        here = tuple(
            slice(max(-part, 0), size - max(part, 0)) for part, size in zip(move, shape, strict=True)
        )
        there = tuple(
            slice(max(part, 0), size - max(-part, 0)) for part, size in zip(move, shape, strict=True)
        )
        if all(size > abs(part) for part, size in zip(move, shape, strict=True)):
            first.append(number[here].ravel())
            last.append(number[there].ravel())
    one, other = np.concatenate(first), np.concatenate(last)
    cost = np.linalg.norm(nodes[one] - nodes[other], axis=1) * (1 + (rarity[one] + rarity[other]) / 2)
    return csr_array(coo_array((cost, (one, other)), shape=(len(nodes), len(nodes))))


def _graph_legs(mean: Float[ndarray, "n d"], anchors: Float[ndarray, "k d"]) -> list[Int[ndarray, " _"]]:
    """Ways from particle to particle, from the one nearest to each anchor."""
    counted = _counted(len(mean))
    near = min(max(counted, FEWEST), len(mean) - 1)
    length, index = np.empty((len(mean), near)), np.empty((len(mean), near), np.int32)
    for rows, far, number in neighbours_in_turn(mean, near):
        length[rows], index[rows] = far, number
    rarity = Rarity(cKDTree(mean), counted, _densest(length[:, counted - 1]))
    rare = rarity.of_distance(length[:, counted - 1])
    for first in range(0, len(mean), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        length[some] *= 1 + (rare[some, None] + rare[index[some]]) / 2
    np.maximum(length, NO_LENGTH, out=length)
    start = np.arange(0, length.size + 1, near)
    edges = csr_array((length.ravel(), index.ravel(), start), shape=(len(mean), len(mean)))
    edges = both_ways(edges)
    edges = csr_array(edges + _bridges(mean, edges, rarity))
    ends = np.asarray(rarity.tree.query(anchors)[1])
    return shortest_legs(edges, ends)


def _bridges(
    mean: Float[ndarray, "n d"], edges: csr_array[np.float64], rarity: Rarity
) -> csr_array[np.float64]:
    """The shortest gaps that join the parts of a graph, and what it costs to cross them."""
    first, last, length = gaps_between_parts(mean, edges)
    share = np.linspace(0.0, 1.0, BETWEEN)[:, None, None]
    across = (1 - share) * mean[first] + share * mean[last]
    rare = rarity.at(across.reshape(-1, mean.shape[1])).reshape(BETWEEN, -1)
    cost = length * (1 + np.trapezoid(rare, dx=1 / (BETWEEN - 1), axis=0))
    return both_ways(csr_array(coo_array((cost, (first, last)), shape=edges.shape)))


def _densest(distance: Float[ndarray, " n"]) -> float:
    """The distance to the counted neighbours where particles are densest; of those at other places only."""
    apart = distance[distance > 0]
    return float(np.percentile(apart, DENSEST)) if len(apart) else 1.0
