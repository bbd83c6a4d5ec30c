"""MotionPriors: what the motions of a structure cost before any image is seen.

Letters: v images, g residues.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.methods.base import Problem
from trimorph.methods.chain_priors import clashes, discontinuity
from trimorph.methods.elastic_prior import elastic_cost, prior_edges
from trimorph.methods.segment_lines import chain_links
from trimorph.methods.segment_problem import structure_of
from trimorph.methods.segment_settings import SegmentsSettings
from trimorph.methods.structure_method import ResidueMotion

CLASHES_AMONG = 2_500
"""Residues, of all structures together, among which clashes are looked for in a step."""

BEYOND = 0.25
"""How far beyond two images' latents, as a share of the way between them, clashes are looked for."""

OCCUPANCY_GIVE = 0.5
"""Standard deviation of what is there of a segment, under its prior about one."""


class MotionPriors(nn.Module):
    """Costs in nats an image, weighted: of broken chains, clashes, bent shapes, absence, single residues."""

    def __init__(self, settings: SegmentsSettings, problem: Problem) -> None:
        super().__init__()
        points, chain = structure_of(problem)
        position, weight = points[:, :3], points[:, 3]
        self.settings = settings
        none = torch.zeros(0, 2, dtype=torch.long)
        edges = prior_edges(position, weight, chain) if settings.elastic else none
        for name, values in (
            ("neutral", position.clone()),
            ("trace", position.clone() if problem.trace is None else problem.trace.clone()),
            ("links", chain_links(position, chain)),
            ("edges", edges),
        ):
            self.register_buffer(name, values, persistent=False)
        self.neutral: Tensor
        self.trace: Tensor
        self.links: Tensor
        self.edges: Tensor

    def looked_at(self, z: Float[Tensor, "v d"]) -> Float[Tensor, "w d"]:
        """Latents at which clashes are looked for: in training those between two images', and beyond.

        What a clash costs is no reason for an image to lie elsewhere, so no gradient comes to ``z``. There
        are none where clashes cost nothing.
        """
        count = max(1, CLASHES_AMONG // len(self.neutral)) if self.settings.clash else 0
        some, others = z.detach()[:count], z.detach().roll(1, 0)[:count]
        if not self.training:
            return some
        way = torch.rand_like(some[:, :1]) * (1 + 2 * BEYOND) - BEYOND
        return some + way * (others - some)

    def clashing(self, motion: ResidueMotion) -> Tensor:
        """Weighted cost in nats of the clashes in a structure, the mean over motions."""
        if not self.settings.clash:
            return self.trace.new_zeros(())
        return self.settings.clash * clashes(motion.place(self.trace), self.trace).mean()

    def forward(
        self,
        position: Float[Tensor, "v g 3"],
        *,
        trace: Float[Tensor, "w g 3"],
        occupancy: Float[Tensor, "v g"],
        segments: int,
        residual: Float[Tensor, "v g 3"] | None,
    ) -> dict[str, Tensor]:
        """Means over the images, by their names; that of clashes over other structures.

        ``position`` are the residues of the images, ``trace`` what stands for them where clashes are looked
        for: in the structures at :meth:`looked_at` latents, the atoms that chains are traced by.
        ``residual`` are displacements of single residues (Å), where there are any; ``segments`` counts those
        whose absence the residues' ``occupancy`` tells.
        """
        settings, terms = self.settings, {}
        if settings.continuity and len(self.links):
            cost = discontinuity(position, self.neutral, self.links)
            terms["continuity"] = settings.continuity * cost.mean()
        if settings.clash:
            terms["clash"] = settings.clash * clashes(trace, self.trace).mean()
        if len(self.edges):
            cost = elastic_cost(position, self.neutral, self.edges, kept=settings.elastic_kept)
            terms["elastic"] = settings.elastic * cost.mean()
        if settings.occupancy:
            absent = 0.5 * ((1 - occupancy) / OCCUPANCY_GIVE).square()
            terms["occupancy"] = segments * absent.mean()
        if residual is not None:
            square = residual.square().sum((1, 2))
            terms["residual"] = (0.5 * square / settings.residual_give**2).mean()
        return terms
