"""Where in a map the segments of a structure are."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import cKDTree

NEAREST, WIDTH = 8, 4.0
"""How many residues a voxel looks at, and the distance in Å over which they change places."""


def segment_weights(
    position: Float[ndarray, "g 3"], shares: Float[ndarray, "g s"], *, box: int, pixel_size: float
) -> Float[ndarray, "s1 d d d"]:
    """How much each voxel belongs to each segment, and last to none, from the residues nearest to it.

    w_s(x) = sum_i exp((d_1^2 - d_i^2) / (2 WIDTH^2)) share_is / sum_i exp(...), over the NEAREST residues i
    at distances d_i, the first the smallest: soft between segments, and the nearest residue's far from all.
    What shares leave of one belongs to none. Weights sum to one. Positions are in Å about the origin voxel.

    >>> place = np.array([[-20.0, 0.0, 0.0], [20.0, 0.0, 0.0]])
    >>> segment_weights(place, np.eye(2), box=11, pixel_size=5.0)[:, 5, 5, ::5].round(3).tolist()
    [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]
    """
    rest = (1 - shares.sum(1, keepdims=True)).clip(0)
    whole = np.concatenate([shares, rest], axis=1)
    whole = whole / whole.sum(1, keepdims=True)
    tree, count = cKDTree(position), min(NEAREST, len(position))
    axis = (np.arange(box) - box // 2) * pixel_size
    y, x = np.meshgrid(axis, axis, indexing="ij")
    weights = np.empty((whole.shape[1], box, box, box), np.float32)
    for plane, z in enumerate(axis):
        points = np.column_stack([x.ravel(), y.ravel(), np.full(x.size, z)])
        distance, nearest = (np.asarray(found) for found in tree.query(points, k=np.arange(1, count + 1)))
        near = np.exp((distance[:, :1] ** 2 - distance**2) / (2 * WIDTH**2))
        near /= near.sum(1, keepdims=True)
        weights[:, plane] = np.einsum("pk,pks->sp", near, whole[nearest]).reshape(-1, box, box)
    return weights


def around(
    position: Float[ndarray, "g 3"],
    *,
    box: int,
    pixel_size: float,
    reach: float,
    edge: float,
) -> Float[ndarray, "d d d"]:
    """Soft mask: 1 up to ``reach`` Å from any of the points, then a cosine down to 0 over ``edge`` Å."""
    axis = (np.arange(box) - box // 2) * pixel_size
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel(), z.ravel()])
    distance, _ = cKDTree(position).query(points, distance_upper_bound=reach + edge)
    share = np.clip((np.minimum(distance, reach + edge) - reach) / edge, 0, 1)
    return (0.5 + 0.5 * np.cos(np.pi * share)).astype(np.float32).reshape(box, box, box)
