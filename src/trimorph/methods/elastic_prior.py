"""Elastic prior: the shape of a structure is likely to stay, but for hinges that the data open.

Letters: v structures, w those that are looked at, g residues, p edges.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.core.elastic_network import elastic_edges

PROTEIN_REACH, NUCLEIC_REACH = 12.0, 15.0
"""Distance in Å within which residues of protein, and of nucleic acid, are joined."""

NUCLEOTIDE = 36.0
"""Weight in Å, between that of tryptophan and of a nucleotide with its phosphate, that tells chains apart."""

EDGE_GIVE = 1.0
"""Standard deviation in Å of the distance between residues that are joined."""

LOOKED_AT = 1_000_000
"""Edges, of all structures together, that are looked at in one step."""


def prior_edges(
    position: Float[Tensor, "g 3"], weight: Float[Tensor, " g"], chain: Int[Tensor, " g"]
) -> Int[Tensor, "p 2"]:
    """Pairs of residues of one chain, or of two strands of nucleic acid, within the reach of their kind.

    Chains of protein are free to move against others. ``weight`` (Å) is a residue's form factor at k = 0: a
    chain is nucleic acid if half of its residues weigh more than NUCLEOTIDE, which no protein's do.
    """
    nucleic = torch.zeros(len(chain), dtype=torch.bool, device=chain.device)
    for number in torch.unique(chain):
        of_chain = chain == number
        nucleic[of_chain] = weight[of_chain].median() > NUCLEOTIDE
    edges = elastic_edges(position, torch.where(nucleic, NUCLEIC_REACH, PROTEIN_REACH))
    first, second = edges.unbind(1)
    return edges[(chain[first] == chain[second]) | (nucleic[first] & nucleic[second])]


def elastic_cost(
    position: Float[Tensor, "v g 3"],
    neutral: Float[Tensor, "g 3"],
    edges: Int[Tensor, "p 2"],
    *,
    kept: float,
) -> Float[Tensor, " w"]:
    """Cost in nats of changed distances over the edges: sum change^2 / (2 EDGE_GIVE^2).

    Edges whose squared change varies most over the structures are left out of this step, so that hinges may
    open: all beyond the quantile ``kept`` of that variance; 1 keeps all. Processes that train together
    leave the same ones out, by the variance over the structures of all, so all have to call this. Time and
    memory grow with the edges; of many structures only the first ``w`` are looked at, LOOKED_AT edges in
    all, but two at least.

    Source: Li et al., cryoSTAR, Nature Methods 21 (2024) 2318 (there the quantile is that of each chain).
    """
    seen = position[: max(2, LOOKED_AT // max(1, len(edges)))]
    first, second = edges.unbind(1)
    wanted = _lengths(neutral[first] - neutral[second])
    rows = seen.permute(1, 2, 0).contiguous()  # structures last: whole rows are fetched and added
    apart = _lengths(rows.index_select(0, first) - rows.index_select(0, second))
    square = (apart - wanted[:, None]).square()
    if kept < 1 and len(edges):
        variance = _variance(square.detach())
        limit = variance.kthvalue(max(1, round(kept * len(edges)))).values
        square = square * (variance <= limit)[:, None]
    return 0.5 * square.sum(0) / EDGE_GIVE**2


def _variance(values: Float[Tensor, "p w"]) -> Float[Tensor, " p"]:
    """Of each row, over the columns of all processes; zero where there is but one in all."""
    values = values.double()
    sums = torch.cat([values.new_full((1,), values.shape[1]), values.sum(1), values.square().sum(1)])
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(sums)
    mean, square = (sums[1:] / sums[0]).chunk(2)
    return (square - mean.square()).clamp_min(0)


def _lengths(vectors: Float[Tensor, "p 3 ..."]) -> Float[Tensor, "p ..."]:
    """Lengths whose gradient is finite at zero."""
    return vectors.square().sum(1).clamp_min(1e-6).sqrt()
