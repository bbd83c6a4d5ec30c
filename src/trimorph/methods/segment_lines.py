"""Lines of residues that segments lie on: the polymers of a structure, without what only sits beside them.

Letters: g residues, p pairs.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

LINKED = 10.0
"""Distance in Å within which residues that follow each other in a chain are taken to be linked."""


def chain_links(position: Float[Tensor, "g 3"], chain: Int[Tensor, " g"]) -> Int[Tensor, "p 2"]:
    """Residues that follow each other in a chain and lie within LINKED, so that a link joins them."""
    first = torch.arange(len(chain) - 1, device=chain.device)
    apart = (position[1:] - position[:-1]).norm(dim=1)
    joined = (chain[1:] == chain[:-1]) & (apart < LINKED)
    return torch.stack([first, first + 1], dim=1)[joined]


def followed(position: Float[Tensor, "g 3"], links: Int[Tensor, "p 2"]) -> Int[Tensor, " g"]:
    """The residue whose motion each one follows: itself, or the nearest with a link where it has none.

    A ligand or ion stands in the file where its chain ends, but moves with what it is bound to.
    """
    own = torch.arange(len(position), device=position.device)
    linked = torch.zeros(len(position), dtype=torch.bool, device=position.device)
    linked[links.flatten()] = True
    if not bool(linked.any()) or bool(linked.all()):
        return own
    points = position.detach().cpu().double().numpy()
    chosen = linked.cpu().numpy()
    _, near = cKDTree(points[chosen]).query(points[~chosen])
    return own.masked_scatter(~linked, own[linked][torch.as_tensor(near, device=own.device)])


def segment_lines(
    chain: Int[Tensor, " g"],
    part: Int[Tensor, " g"] | None,
    *,
    moving: Bool[Tensor, " g"],
    follows: Int[Tensor, " g"],
) -> Int[Tensor, " g"]:
    """Number of each residue's line from 0, or -1 for those that follow others or do not move.

    Lines are chains, or the parts that the user made of them, of which -1 is no part.
    """
    line = (chain if part is None else part).clone()
    line[~moving] = -1
    if part is None:
        line[follows != torch.arange(len(line), device=line.device)] = -1
    used, number = torch.unique(line, return_inverse=True)
    return number - int((used < 0).any())
