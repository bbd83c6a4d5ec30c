"""Clusters of latents by k-means, with centres that are particles, in an order that neighbours keep.

Letters: n particles, d latent components, k clusters.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.run.components import principal_components

STARTS = 3
"""Starts of k-means, of which the best is kept."""


def kmeans(
    mean: Float[ndarray, "n d"], count: int, *, seed: int = 0, starts: int = STARTS
) -> tuple[Int[ndarray, " n"], Int[ndarray, " k"]]:
    """The cluster of every particle, from 0, and the particle of each cluster that is nearest to its centre.

    Clusters are in the order of :func:`leaf_order`.  Errors: InputError for more clusters than there are
    different latents.

    >>> kmeans(np.array([[0.0], [5.1], [0.1], [0.2], [5.0], [5.2]]), 2)
    (array([0, 1, 0, 0, 1, 1]), array([2, 1]))
    """
    refuse_count(mean, count)
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=starts, random_state=seed).fit(mean)
    label = found.labels_.astype(np.int64)
    far = ((mean - found.cluster_centers_[label]) ** 2).sum(1)
    return nearest_of_each(mean, label, far)


def nearest_of_each(
    mean: Float[ndarray, "n d"], label: Int[ndarray, " n"], far: Float[ndarray, " n"]
) -> tuple[Int[ndarray, " n"], Int[ndarray, " k"]]:
    """Labels and on-data centres in the order of :func:`leaf_order`; a cluster without particles goes away.

    ``far`` tells how far each particle is from the centre of its cluster.
    """
    by_cluster = np.lexsort((far, label))
    names, first = np.unique(label[by_cluster], return_index=True)
    centre = by_cluster[first].astype(np.int64)
    order = leaf_order(mean[centre], mean)
    number = np.empty(int(label.max()) + 1, np.int64)
    number[names[order]] = np.arange(len(order))
    return number[label], centre[order]


def leaf_order(z: Float[ndarray, "k d"], mean: Float[ndarray, "n d"]) -> Int[ndarray, " k"]:
    """Order of centres in which neighbours are alike: leaves of their hierarchical clustering.

    Of all orders that average linkage leaves, the one with the shortest way from first to last; it begins
    at the end that is lower on the first principal component of all latents.
    Source: Bar-Joseph et al. 2001, Fast optimal leaf ordering for hierarchical clustering.

    >>> leaf_order(np.array([[3.0], [0.0], [1.0]]), np.array([[0.0], [3.0]])).tolist()
    [1, 2, 0]
    """
    if len(z) < 3:
        order = np.arange(len(z))
    else:
        from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering

        tree = linkage(z, "average")
        order = leaves_list(optimal_leaf_ordering(tree, z)).astype(np.int64)
    place = (z - mean.mean(0)) @ principal_components(mean)[0]
    return order[::-1] if len(z) > 1 and place[order[0]] > place[order[-1]] else order


def refuse_count(mean: Float[ndarray, "n d"], count: int) -> None:
    """Raise InputError for more clusters than there are different latents, or none."""
    if not 1 <= count <= len(mean):
        raise InputError(f"Found {count} clusters; wanted from 1 to {len(mean)}, the number of particles.")
    different = different_latents(mean, count)
    if count > different:
        raise InputError(
            f"Found {count} clusters for {len(mean)} particles with {different} different "
            f"latent{'s' if different > 1 else ''}; wanted from 1 to {different}. Latents alike mean "
            "that the model saw no difference between the particles."
        )


def different_latents(mean: Float[ndarray, "n d"], enough: int) -> int:
    """How many different latents there are, or some number of them that is ``enough``.

    >>> different_latents(np.array([[0.0], [0.0], [1.0]]), 5)
    2
    """
    some = len(np.unique(mean[: 20 * enough], axis=0))  # of all rows only where these do not suffice
    return some if some >= enough else len(np.unique(mean, axis=0))
