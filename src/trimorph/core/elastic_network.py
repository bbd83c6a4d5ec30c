"""Elastic network: springs between points of a structure that lie near each other.

Letters: n points, p springs (edges).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from trimorph.core.errors import InputError

FEWEST = 6
"""Springs that hold a point: as many nearest points, where fewer lie within the reach."""

GRASP = 8.0
"""Width in Å of the rim by which parts that lie apart are joined."""


def elastic_edges(position: Float[Tensor, "n 3"], reach: float | Float[Tensor, " n"]) -> Int[Tensor, "p 2"]:
    """Pairs (i < j, in order) of points within ``reach`` Å, or within the mean of the reaches of both.

    >>> line = torch.tensor([[0.0, 0, 0], [9, 0, 0], [20, 0, 0]])
    >>> elastic_edges(line, torch.tensor([8.0, 10, 14])).tolist()
    [[0, 1], [1, 2]]
    """
    points = position.detach().cpu().double().numpy()
    limit = np.broadcast_to(np.asarray(torch.as_tensor(reach).cpu(), np.float64), len(points))
    pairs = cKDTree(points).query_pairs(float(limit.max(initial=0)), output_type="ndarray")
    apart = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    pairs = pairs[apart <= 0.5 * (limit[pairs[:, 0]] + limit[pairs[:, 1]])]
    return _ordered(pairs).to(position.device)


def joined_edges(position: Float[Tensor, "n 3"], edges: Int[Tensor, "p 2"]) -> Int[Tensor, "q 2"]:
    """The edges, and as many more as make one body of the points, in which none is loose.

    A point with fewer than FEWEST edges is joined to its FEWEST nearest. A part that lies apart from all
    others is joined to what is nearest to it: by all pairs no farther from each other than the gap and
    GRASP. What was one body before is not changed.
    Errors: InputError for fewer than three points.
    """
    points = position.detach().cpu().double().numpy()
    if len(points) < 3:
        raise InputError(f"Found {len(points)} points for an elastic network; wanted 3 or more.")
    pairs = edges.cpu().numpy()
    count = np.bincount(pairs.ravel(), minlength=len(points))
    loose = np.flatnonzero(count < min(FEWEST, len(points) - 1))
    if len(loose):
        _, near = cKDTree(points).query(points[loose], k=min(FEWEST + 1, len(points)))
        pairs = _united(pairs, np.stack([np.repeat(loose, near.shape[1]), near.ravel()], axis=1))
    while (part := parts_of(pairs, len(points))).max() > 0:
        alone = part == np.bincount(part).argmin()
        inside, outside = np.flatnonzero(alone), np.flatnonzero(~alone)
        tree = cKDTree(points[outside])
        gap = float(np.min(tree.query(points[inside])[0]))
        reached = cKDTree(points[inside]).sparse_distance_matrix(tree, gap + GRASP, output_type="ndarray")
        pairs = _united(pairs, np.stack([inside[reached["i"]], outside[reached["j"]]], axis=1))
    return _ordered(pairs).to(edges.device)


def parts_of(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Number, from 0, of the connected part that each of ``count`` points belongs to."""
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _united(pairs: NDArray[np.int64], more: NDArray[np.int64]) -> NDArray[np.int64]:
    both = np.sort(np.concatenate([pairs, more[more[:, 0] != more[:, 1]]]), axis=1)
    return np.unique(both, axis=0)


def _ordered(pairs: NDArray[np.int64]) -> Int[Tensor, "p 2"]:
    return torch.as_tensor(pairs[np.lexsort(pairs.T[::-1])], dtype=torch.long)
