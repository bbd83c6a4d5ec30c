"""LatentChart: the few coordinates along which particles differ, read off what linear modes say of them.

A motion is a curve, a ring or a sheet in the space of the modes, and bends through as many of them as it
needs: no mode alone follows it. The slowest functions on the graph of nearest neighbours do.

Letters: n particles, k modes, m landmarks, c coordinates, e slow functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from scipy.spatial import cKDTree

LANDMARKS = 2000
"""Particles that the graph is made of, at most."""

FEWEST = 100
"""Landmarks below which nothing is said."""

SLOWEST = 8
"""Functions on a graph among which the coordinates are sought."""

REACH = 0.06
"""Share of the landmarks that are a landmark's neighbours in the graph: enough to lead from one of some
dozens of separate states to the next, as simulations have them."""

NEIGHBOURS = 15
"""Particles that predict what is left of another's modes when coordinates are known."""

BRIDGE = 0.1
"""Weight of a link between pieces of a graph, where that of neighbours who share all theirs is 1: such that a
function that tells pieces apart is about as slow as one that runs along them."""

BLUR = 0.003
"""Difference of a coordinate that is too small to count, in standard deviations."""

GAIN, NEW = 0.9, 0.75
"""What a further coordinate has to leave, at most: of what those before it left unexplained, and of the part
of this that is more than the scatter of posterior means."""

ALIKE = 1.1
"""Functions that leave at most so many times what the best leaves are as good; the slowest is taken."""

MIXED = 0.98
"""What a sum of functions has to leave, at most, of what the best of them leaves alone."""


@dataclass(frozen=True, eq=False)
class LatentChart:
    """Coordinates of some particles, each of mean 0 and standard deviation 1.

    ``landmark`` are the particles' numbers, ``unexplained`` the share of the modes' variance that neighbours
    in the chart do not predict. A chart without coordinates says that none of them explains anything.
    """

    landmark: Int[ndarray, " m"]
    coordinate: Float[ndarray, "m c"]
    unexplained: float


def latent_chart(
    mean: Float[ndarray, "n k"], covariance: Float[ndarray, "n k k"], *, most: int
) -> LatentChart:
    """At most ``most`` coordinates of the particles whose views tell most, from their posteriors.

    Distances are those of densities, so modes come with their lengths, not in units of their priors.
    Candidates are the slowest functions (eigenvectors of the graph's Laplacian) on the graph of nearest
    neighbours. They are taken as long as each predicts a quarter of what those before it leave beyond the
    scatter of posterior means, so harmonics of those that are there add nothing. A sum of them is taken where
    it leaves less than each alone.

    Source: Belkin & Niyogi, Neural Comput. 15 (2003) 1373 (Laplacian eigenmaps); choice of functions that are
    not harmonics of others: Dsilva et al., Appl. Comput. Harmon. Anal. 44 (2018) 759.
    """
    landmark = _best_seen(covariance)
    x = np.asarray(mean, np.float64)[landmark]
    most = min(most, x.shape[1])
    if len(landmark) < FEWEST or not most or not x.var(0).sum() > 0:
        return LatentChart(landmark, np.zeros((len(landmark), 0)), 1.0)
    undecided = float(np.einsum("nkk->n", covariance)[landmark].mean() / x.var(0).sum())
    scatter = undecided / (1 + undecided)  # of means around their expectation, which the prior draws together
    graph = _shared_graph(x, max(NEIGHBOURS, round(REACH * len(x))))
    return LatentChart(landmark, *_choose(_slow_functions(graph), x, most, enough=scatter))


def _best_seen(covariance: Float[ndarray, "n k k"]) -> Int[ndarray, " m"]:
    """Half of the particles, those with the narrowest posteriors; more if they are few, a sample if many.

    What a linear model's posterior leaves open depends on pose and CTF alone, so no state is preferred.
    """
    told = np.einsum("nkk->n", covariance)
    count = max(len(told) // 2, min(len(told), LANDMARKS))
    narrow = np.argsort(told, kind="stable")[:count]
    return np.sort(np.random.default_rng(0).permutation(narrow)[:LANDMARKS])


def _shared_graph(x: Float[ndarray, "m k"], neighbours: int) -> csr_matrix:
    """Links between nearest neighbours, the square of the share of neighbours that both have (Jaccard index).

    Two places that come near each other by chance, as a path in few modes does, share few.
    """
    count = len(x)
    own = np.arange(count)[:, None]
    near = np.concatenate([own, _nearest(x, neighbours)], axis=1)
    there = csr_matrix((np.ones(near.size), (np.repeat(own, neighbours + 1), near.ravel())), (count, count))
    both = (there @ there.T).tocoo()
    share = both.data / (2 * (neighbours + 1) - both.data)
    linked = np.asarray(there.maximum(there.T)[both.row, both.col]).ravel() * (both.row != both.col) > 0
    place = (both.row[linked], both.col[linked])
    return _joined(csr_matrix((share[linked] ** 2, place), (count, count)), x)


def _joined(graph: csr_matrix, x: Float[ndarray, "m k"]) -> csr_matrix:
    """The graph with weak links from each point of a piece to the nearest outside, until it is in one piece.

    So two paths side by side, as of a motion with something there and without, are followed together.
    """
    while True:
        pieces, which = connected_components(graph, directed=False)
        if pieces == 1:
            return graph
        inside = which == np.bincount(which).argmin()
        own, others = np.flatnonzero(inside), np.flatnonzero(~inside)
        near = others[np.asarray(cKDTree(x[others]).query(x[own])[1])]
        link = csr_matrix((np.full(len(own), BRIDGE), (own, near)), shape=graph.shape)
        graph = graph.maximum(link).maximum(link.T)


def _slow_functions(graph: csr_matrix) -> Float[ndarray, "m e"]:
    """Those that vary least from neighbour to neighbour, the slowest first, but for the constant."""
    root = 1 / np.sqrt(np.asarray(graph.sum(1)).ravel())
    start = np.random.default_rng(0).standard_normal(len(root))
    value, vector = eigsh(_scaled(graph, root), k=SLOWEST + 1, which="LA", v0=start)
    function = vector[:, np.argsort(-value)[1:]] * root[:, None]
    function = function - function.mean(0)
    farthest = np.abs(function).argmax(0)
    function = function * np.sign(function[farthest, np.arange(function.shape[1])])
    return function / function.std(0)


def _choose(
    function: Float[ndarray, "m e"], x: Float[ndarray, "m k"], most: int, *, enough: float
) -> tuple[Float[ndarray, "m c"], float]:
    """The slowest function that explains something, then those that leave least, and what they leave.

    What is as little as the places' own scatter is ``enough``. The first is not the one that leaves least:
    that may be a line which runs through one state of a part and then back through the other.
    """
    kept, left, rest = function[:, :0], 1.0, list(function.T)
    while rest and kept.shape[1] < most and left > enough:
        leaves = [_unexplained(np.column_stack([kept, one]), x) for one in rest]
        limit = min(GAIN * left, enough + NEW * (left - enough))
        if kept.shape[1]:
            mixed = np.column_stack([kept, _mixture(function, _error(kept, x))])
            without = _unexplained(mixed, x)
            if without <= min(limit, MIXED * min(leaves)):
                kept, left = mixed, without
                continue
        best = ALIKE * min(leaves) if kept.shape[1] else limit
        useful = [place for place, value in enumerate(leaves) if value <= min(limit, best)]
        if not useful:
            break
        kept, left = np.column_stack([kept, rest.pop(useful[0])]), leaves[useful[0]]
    return kept, left


def _mixture(function: Float[ndarray, "m e"], error: Float[ndarray, "m k"]) -> Float[ndarray, " m"]:
    """The sum of functions nearest to the largest principal component of what is left, of deviation 1.

    Functions that are about equally slow come mixed with each other, as a part that is there or not with
    harmonics of a motion: each shows some of the part, and their sum all of it.
    """
    error = error - error.mean(0)
    along = error @ np.linalg.eigh(error.T @ error)[1][:, -1]
    mixed = function @ np.linalg.lstsq(function, along, rcond=None)[0]
    return np.asarray(mixed / mixed.std())


def _unexplained(coordinate: Float[ndarray, "m c"], x: Float[ndarray, "m k"]) -> float:
    """Share of the variance of x that the mean of the nearest neighbours in a chart does not predict."""
    return float((_error(coordinate, x) ** 2).sum() / ((x - x.mean(0)) ** 2).sum())


def _error(coordinate: Float[ndarray, "m c"], x: Float[ndarray, "m k"]) -> Float[ndarray, "m k"]:
    """What the mean of the nearest neighbours in a chart leaves of x.

    The chart is blurred a little, as a function of two values may hide another in their last digits.
    """
    blur = BLUR * np.random.default_rng(0).standard_normal(coordinate.shape)
    return np.asarray(x - x[_nearest(coordinate + blur, NEIGHBOURS)].mean(1))


def _nearest(x: Float[ndarray, "m k"], count: int) -> Int[ndarray, "m b"]:
    """Numbers of each point's nearest others."""
    return np.asarray(cKDTree(x).query(x, np.arange(2, count + 2))[1])


def _scaled(graph: csr_matrix, factor: Float[ndarray, " m"]) -> csr_matrix:
    """Every link times the factors of both ends."""
    link = graph.tocoo()
    value = link.data * factor[link.row] * factor[link.col]
    return csr_matrix((value, (link.row, link.col)), shape=graph.shape)
