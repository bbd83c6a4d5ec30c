"""Lines of residues that segments lie on: the polymers of a structure, without what only sits beside them.

Letters: g residues, p pairs, c lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from trimorph.methods.base import Problem

LINKED = 10.0
"""Distance in Å within which residues that follow each other in a chain are taken to be linked."""


PIECES = 6
"""Segments, at least, that training begins with where several are to be learned."""


def chain_links(position: Float[Tensor, "g 3"], chain: Int[Tensor, " g"]) -> Int[Tensor, "p 2"]:
    """Residues that follow each other in a chain and lie within LINKED, so that a link joins them."""
    first = torch.arange(len(chain) - 1, device=chain.device)
    apart = (position[1:] - position[:-1]).norm(dim=1)
    joined = (chain[1:] == chain[:-1]) & (apart < LINKED)
    return torch.stack([first, first + 1], dim=1)[joined]


def followed(
    position: Float[Tensor, "g 3"], links: Int[Tensor, "p 2"], *, among: Bool[Tensor, " g"] | None = None
) -> Int[Tensor, " g"]:
    """The residue whose motion each one follows: itself, or the nearest with a link where it has none.

    A ligand or ion stands in the file where its chain ends, but moves with what it is bound to. Residues that
    are not ``among`` the chosen follow themselves, and none of the chosen follows them.
    """
    own = torch.arange(len(position), device=position.device)
    chosen = torch.ones_like(own, dtype=torch.bool) if among is None else among
    linked = torch.zeros_like(chosen)
    linked[links.flatten()] = True
    linked, alone = linked & chosen, ~linked & chosen
    if not bool(linked.any()) or not bool(alone.any()):
        return own
    points = position.detach().cpu().double().numpy()
    _, near = cKDTree(points[linked.cpu().numpy()]).query(points[alone.cpu().numpy()])
    return own.masked_scatter(alone, own[linked][torch.as_tensor(near, device=own.device)])


@dataclass(frozen=True, eq=False)
class Lines:
    """Number of each residue's line from 0, or -1, the residue that it follows, and each line's segments.

    ``counts`` are those that it may keep, ``pieces`` those that it begins with.
    """

    line: Int[Tensor, " g"]
    follows: Int[Tensor, " g"]
    counts: Int[Tensor, " c"]
    pieces: Int[Tensor, " c"]


def lay_lines(problem: Problem, free: Bool[Tensor, " g"], *, most: int) -> Lines:
    """The lines of the residues that are ``free`` to move.

    Without parts of the user every chain is a line, and they share ``most`` segments out. A part of several
    segments is treated so, too, with its own number; one of a single segment is a line, whatever its chains.
    Residues without a link are on no line and follow others, but in parts of one segment. Where few segments
    are learned, PIECES begin: a segment that holds parts of two bodies finds a place for neither.
    """
    assert problem.points is not None  # so checked
    assert problem.chain is not None
    position, chain = problem.points[:, :3], problem.chain
    links, own = chain_links(position, chain), torch.arange(len(chain))
    follows, name = own.clone(), torch.full_like(own, -1)
    sizes: list[Tensor] = []
    pieces: list[Tensor] = []
    for rows, segments in _regions(problem, most):
        leads = rows & free
        if problem.part is None or segments > 1:
            near = followed(position, links, among=rows)
            if bool((leads & (near == own)).any()):
                follows, leads = torch.where(rows, near, follows), leads & (near == own)
        if not bool(leads.any()):
            continue
        part = torch.zeros_like(chain) if problem.part is not None and segments == 1 else chain
        found, number = torch.unique(part[leads], return_inverse=True)
        name[leads] = number + sum(map(len, sizes))
        size = torch.bincount(number, minlength=len(found))
        kept = share_out(size, segments)
        sizes.append(kept)
        pieces.append(torch.where(kept > 1, share_out(size, max(segments, PIECES)), kept))
    return Lines(name, follows, torch.cat(sizes), torch.cat(pieces))


def _regions(problem: Problem, most: int) -> list[tuple[Bool[Tensor, " g"], int]]:
    """Residues that share segments out, and how many."""
    assert problem.chain is not None  # so checked
    if problem.part is None:
        return [(torch.ones_like(problem.chain, dtype=torch.bool), most)]
    count = int(problem.part.max()) + 1
    segments = [1] * count if problem.part_segments is None else problem.part_segments.tolist()
    return [(problem.part == number, segments[number]) for number in range(count)]


def share_out(sizes: Int[Tensor, " c"], most: int) -> Int[Tensor, " c"]:
    """Segments of each line: ``most`` in proportion to its residues, at least one and no more than these.

    After the first, each goes to the line whose segments are then the longest.

    >>> share_out(torch.tensor([200, 100, 2]), 6).tolist()
    [4, 1, 1]
    """
    counts = torch.ones_like(sizes)
    for _ in range(most - len(sizes)):
        length = torch.where(counts < sizes, sizes / (counts + 1), 0.0)
        counts[length.argmax()] += 1
    return torch.minimum(counts, sizes)
