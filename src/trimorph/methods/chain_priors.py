"""What is likely of residues that move: chains hold together, and residues do not run into each other.

Letters: v structures, g residues, p pairs.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

LINK_GIVE = 0.5
"""Standard deviation in Å of the distance between residues that are linked."""

CLASH = 4.0
"""Distance in Å below which residues clash that are not neighbours in a chain."""

CLASH_MARGIN = 0.3
"""Distance in Å beyond CLASH at which residues begin to cost something, so that few come to CLASH."""

CLASH_GIVE, CLASH_DEEP = 0.35, 0.25
"""Standard deviation in Å of how far residues reach into each other, and from where on its cost is linear."""

LOOKED_AT = 50_000
"""Residues, of all structures together, among which clashes are looked for in one step."""


def discontinuity(
    position: Float[Tensor, "v g 3"], neutral: Float[Tensor, "g 3"], links: Int[Tensor, "p 2"]
) -> Float[Tensor, " v"]:
    """Cost in nats of changed distances between linked residues: sum change^2 / (2 LINK_GIVE^2)."""
    change = _distance(position, links) - _distance(neutral, links)
    return 0.5 * change.square().sum(-1) / LINK_GIVE**2


def clashes(position: Float[Tensor, "v g 3"], neutral: Float[Tensor, "g 3"]) -> Float[Tensor, " w"]:
    """Cost in nats of new clashes: sum over pairs of (limit - distance)^2 / (2 CLASH_GIVE^2), or zero.

    The limit is CLASH + CLASH_MARGIN, or the distance in ``neutral`` for a pair that is closer there, so
    that a start whose residues touch costs nothing. From a depth of CLASH_DEEP on the cost is linear: it is
    stiff where residues touch, and yet gives way where images say that the structure is wrong. Pairs next to
    each other in the file are no clash. Time and memory grow with the residues, as pairs come from a
    neighbour list of the moved structure; of many structures only the first ``w`` are looked at, LOOKED_AT
    residues in all.
    """
    seen = position[: max(1, LOOKED_AT // position.shape[1])]
    structure, pairs = close_pairs(seen, reach=CLASH + CLASH_MARGIN)
    apart = _length(seen[structure, pairs[:, 0]] - seen[structure, pairs[:, 1]])
    return seen.new_zeros(len(seen)).index_add(0, structure, clash_costs(apart, neutral, pairs))


def clash_costs(
    apart: Float[Tensor, " p"],
    neutral: Float[Tensor, "g 3"],
    pairs: Int[Tensor, "p 2"],
    *,
    deep: float = CLASH_DEEP,
) -> Float[Tensor, " p"]:
    """Cost in nats of each of some pairs that are ``apart`` by so many Å; see :func:`clashes`.

    It is linear from a depth of ``deep`` (Å) on.
    """
    depth = (_distance(neutral, pairs).clamp_max(CLASH + CLASH_MARGIN) - apart).clamp_min(0)
    near = depth.clamp_max(deep)
    return near * (depth - 0.5 * near) / CLASH_GIVE**2


def close_pairs(
    position: Float[Tensor, "v g 3"], *, reach: float = CLASH
) -> tuple[Int[Tensor, " p"], Int[Tensor, "p 2"]]:
    """Pairs within ``reach`` (Å) that are not next to each other in the file, and the structure of each.

    One tree holds all structures, each so far from the next that none meets another.

    >>> corners = torch.tensor([[[0.0, 0, 0], [9, 0, 0], [3, 0, 0]], [[0, 0, 0], [9, 0, 0], [7, 0, 0]]])
    >>> close_pairs(corners)
    (tensor([0]), tensor([[0, 2]]))
    """
    points = position.detach().cpu().double().numpy()
    count, size = points.shape[:2]
    low, high = points.min((0, 1)), points.max((0, 1))
    apart = np.arange(count)[:, None, None] * np.array([high[0] - low[0] + 2 * reach, 0.0, 0.0])
    found = cKDTree((points + apart).reshape(-1, 3)).query_pairs(reach, output_type="ndarray")
    found = found[found[:, 1] - found[:, 0] > 1]
    found = found[np.lexsort(found.T[::-1])]  # in the same order whenever the same pairs are found
    structure = torch.as_tensor(found[:, 0] // size, dtype=torch.long)
    pairs = torch.as_tensor(found % size, dtype=torch.long)
    return structure.to(position.device), pairs.to(position.device)


def _distance(position: Float[Tensor, "*v g 3"], pairs: Int[Tensor, "p 2"]) -> Float[Tensor, "*v p"]:
    return _length(position[..., pairs[:, 0], :] - position[..., pairs[:, 1], :])


def _length(vector: Float[Tensor, "*v 3"]) -> Float[Tensor, "*v"]:
    """Lengths whose gradient is finite at zero."""
    return vector.square().sum(-1).clamp_min(1e-6).sqrt()
