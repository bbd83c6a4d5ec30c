"""Elastic modes: the softest ways in which an elastic network bends.

Letters: n points, p springs, b blocks, k modes, f free motions of the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import block_diag, csc_array, csr_array, eye_array
from scipy.sparse.linalg import LinearOperator, eigsh, splu
from torch import Tensor

from trimorph.core.elastic_network import elastic_edges, joined_edges
from trimorph.core.errors import InputError

REACH = 15.0
"""Distance in Å within which points are joined by a spring."""

NEAREST = 4.0
"""Distance in Å at which a spring whose constant falls with the distance is as stiff as the others."""

MOST_BLOCKS = 2000
"""Points, or blocks of points, that move on their own."""

STRETCH = 10.0
"""Distance in Å beyond which points that follow each other are not of one block."""

_SHIFT = 1e-6
"""Shift of the spectrum below zero over the stiffness of a point: a matrix with zero modes has no inverse."""

_RIGID, _SMALL = 6, 300
"""Motions of the whole, and unknowns up to which a dense matrix is faster."""


@dataclass(frozen=True, eq=False)
class ElasticModes:
    """Modes, softest first, without the six of the whole: orthonormal ``vector``, and its ``stiffness``.

    Amplitudes a_k displace the points by sum_k a_k vector_k at the energy 1/2 sum_k stiffness_k a_k^2.
    """

    stiffness: Float[Tensor, " k"]
    vector: Float[Tensor, "k n 3"]


def elastic_modes(
    position: Float[Tensor, "n 3"],
    count: int,
    *,
    reach: float = REACH,
    fall: float = 0.0,
    most: int = MOST_BLOCKS,
    moving: Bool[Tensor, " n"] | None = None,
) -> ElasticModes:
    """The softest modes of the anisotropic network of points within ``reach`` Å of each other.

    Energy 1/2 sum over pairs k_ij (e_ij . (u_i - u_j))^2 of displacements u, with e_ij from j to i. All
    springs are alike, or k_ij = (d_ij / NEAREST)^-``fall`` at the distance d_ij. Of more than ``most``
    points, as many as it takes that follow each other move as one rigid block; the energy stays that of all
    springs, so stiffnesses are bounds from above. Points that lie apart are joined by :func:`joined_edges`:
    there is one body. Where only some points are ``moving``, the others are held, and the moving ones have
    motions as wholes among their modes. In double precision, on the CPU; the same every time.

    Errors: InputError for fewer points than ``count`` modes take.
    Source: Atilgan et al., Biophys. J. 80 (2001) 505; Yang et al., PNAS 106 (2009) 12347 (a fall of 2); Tama
    et al., Proteins 41 (2000) 1 (blocks).

    >>> tetrahedron = torch.tensor([[0.0, 0, 0], [9, 9, 0], [9, 0, 9], [0, 9, 9]])
    >>> elastic_modes(tetrahedron, 6).stiffness
    tensor([1., 1., 2., 2., 2., 4.])
    """
    points = position.detach().cpu().double().numpy()
    chosen = np.ones(len(points), bool) if moving is None else moving.cpu().numpy()
    held = not chosen.all()
    free = 3 * int(chosen.sum()) - (0 if held else _RIGID)
    if count > free:
        raise InputError(
            f"Found {int(chosen.sum())} points that move for {count} modes of an elastic network; wanted "
            f"{int(chosen.sum()) + ceil((count - free) / 3)} or more, or {max(free, 0)} modes or fewer."
        )
    edges = joined_edges(position, elastic_edges(position, reach)).cpu().numpy()
    basis = block_motions(points[chosen], blocks_of(points[chosen], most))
    columns = (3 * np.flatnonzero(chosen)[:, None] + np.arange(3)).ravel()
    stretch = (edge_stretch(points, edges, fall=fall)[:, columns] @ basis).tocsr()
    rigid = basis.T @ whole_motions(points) if not held else np.zeros((basis.shape[1], 0))
    value, found = _softest((stretch.T @ stretch).tocsc(), rigid, count)
    vector = np.zeros((count, 3 * len(points)))
    vector[:, columns] = (basis @ found).T
    sign = np.sign(vector[np.arange(count), np.abs(vector).argmax(1)])
    return ElasticModes(
        stiffness=torch.as_tensor(value).to(position),
        vector=torch.as_tensor((sign[:, None] * vector).reshape(count, -1, 3)).to(position),
    )


def edge_stretch(points: NDArray[np.float64], edges: NDArray[np.int64], *, fall: float = 0.0) -> csr_array:
    """How displacements load each spring: p rows sqrt(k_ij) e_ij . (u_i - u_j), columns x, y, z a point.

    Transposed times itself it is the stiffness matrix of the network.
    """
    along = points[edges[:, 0]] - points[edges[:, 1]]
    apart = np.linalg.norm(along, axis=1, keepdims=True)
    along = along / np.maximum(apart, 1e-9) * (np.maximum(apart, NEAREST) / NEAREST) ** (-fall / 2)
    column = (3 * edges[:, :, None] + np.arange(3)).reshape(len(edges), 6)
    row = np.arange(0, 6 * len(edges) + 1, 6)
    values = np.concatenate([along, -along], axis=1)
    return csr_array((values.ravel(), column.ravel(), row), shape=(len(edges), 3 * len(points)))


def blocks_of(points: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Number of the block of each point, about ``most`` in all, of points that follow each other.

    >>> blocks_of(np.array([[0.0, 0, 0], [4, 0, 0], [8, 0, 0], [50, 0, 0]]), 2).tolist()
    [0, 0, 1, 2]
    """
    if len(points) <= most:
        return np.arange(len(points))
    away = np.linalg.norm(np.diff(points, axis=0), axis=1) > STRETCH
    begins = np.concatenate([[0], 1 + np.flatnonzero(away), [len(points)]])
    size = ceil(len(points) / most)
    parts = [np.arange(length) // size for length in np.diff(begins)]
    first = np.cumsum([0, *(part[-1] + 1 for part in parts[:-1])])
    return np.concatenate([part + number for part, number in zip(parts, first, strict=True)])


def block_motions(points: NDArray[np.float64], block: NDArray[np.int64]) -> csr_array:
    """Orthonormal basis (3n, f) of the displacements in which blocks of points stay rigid."""
    if len(block) == block[-1] + 1:
        return eye_array(3 * len(points), format="csr")
    parts = np.split(points, 1 + np.flatnonzero(np.diff(block)))
    return csr_array(block_diag([whole_motions(part) for part in parts]))


def whole_motions(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal basis (3n, 3 to 6) of the shifts and infinitesimal turns of points as a whole."""
    centred = points - points.mean(0)
    turns = np.cross(np.eye(3)[:, None], centred).reshape(3, -1)
    shifts = np.tile(np.eye(3), len(points))
    left, size, _ = np.linalg.svd(np.concatenate([shifts, turns]).T, full_matrices=False)
    return np.asarray(left[:, size > 1e-6 * max(1.0, size[0])])


def _softest(
    stiffness: csc_array, rigid: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest eigenvalues, and eigenvectors (f, k), among what is orthogonal to the rigid motions."""
    size = stiffness.shape[0]
    scale = float(stiffness.diagonal().mean())
    if size <= _SMALL:
        full = stiffness.toarray() + 1e3 * scale * rigid @ rigid.T
        value, vector = eigh(full, subset_by_index=(0, count - 1))
        return value, vector
    shift = _SHIFT * scale
    factors = splu(
        (stiffness + shift * eye_array(size, format="csc")).tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )

    def solve(values: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = values - rigid @ (rigid.T @ values)
        solved = factors.solve(inside)
        return np.asarray(solved - rigid @ (rigid.T @ solved))

    inverse = LinearOperator(stiffness.shape, matvec=solve, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(size)
    value, vector = eigsh(stiffness, count, sigma=-shift, OPinv=inverse, v0=start)
    order = np.argsort(value)
    return value[order], vector[:, order]
