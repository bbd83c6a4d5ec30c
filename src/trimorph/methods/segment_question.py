"""What images are asked of blocks of residues: how they pull at them, where they pull at nothing else.

Letters: v images, k blocks, f functions of the latent (f1 with one before them), p parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.methods.base import Survey
from trimorph.methods.segment_blocks import Blocks
from trimorph.methods.segment_motion import SegmentMotion
from trimorph.methods.structure_method import ResidueMotion

STEPS, LENGTHS = 6, (1.0, 2.0, 4.0)
"""Steps to where images pull at nothing but what they are asked about, and lengths that are tried of each:
pulls vary more than by noise alone, so that whole steps are short."""

FUNCTIONS, FELT = 3, 0.01
"""Functions of the latent, at most, that a motion may follow, and the share of the power of all that the
decoder has learned which each of them has."""

RIDGE = 1e-3
"""Share of its diagonal that is added to what is estimated of the information."""

Further = Callable[[ResidueMotion, Tensor, Tensor | None], Tensor]
"""Displacements (Å) of points on top of a motion, with the number of the residue that each goes with."""

Misfit = Callable[[Batch, Tensor, Further | None], Tensor]
"""Minus the logarithm of each image's likelihood at a latent, with points that are displaced further."""


@dataclass(frozen=True, eq=False)
class Question:
    """Images, with their latents and functions of these, that are asked of blocks of residues."""

    seen: Sequence[tuple[Batch, Tensor]]
    follow: Float[Tensor, "v f"]
    blocks: Blocks
    misfit: Misfit
    survey: Survey

    @classmethod
    def about(
        cls,
        motion: SegmentMotion,
        blocks: Blocks,
        *,
        seen: Sequence[tuple[Batch, Tensor]],
        misfit: Misfit,
        survey: Survey,
    ) -> Question:
        """With the functions of the latent that the decoder has learned most of, of unit mean square."""
        with torch.no_grad():
            learned = torch.cat([motion.learned(z) for _, z in seen]).double()
        count = survey.total(learned.new_tensor([float(len(learned))]))
        power, axes = torch.linalg.eigh(survey.total(learned.mT @ learned) / count)
        power, axes = power.flip(0)[:FUNCTIONS], axes.flip(1)[:, :FUNCTIONS]
        felt = power > FELT * power.sum()
        return cls(seen, learned @ axes[:, felt] / power[felt].sqrt(), blocks, misfit, survey)

    def pulls(self, screw: Float[Tensor, "k 6 f1"]) -> Float[Tensor, "v k 6"]:
        """Gradients of the images' log-likelihood in the screws of the blocks, where they are displaced."""
        found = []
        for batch, z, with_one in self._batches():
            own = torch.einsum("kif,vf->vki", screw, with_one).float().requires_grad_()
            with torch.enable_grad():
                cost = self.misfit(batch, z, partial(self.blocks.displaced, screw=own)).sum()
            found.append(-torch.autograd.grad(cost, own)[0].double())
        return torch.cat(found)

    def likelihood(self, screw: Float[Tensor, "k 6 f1"]) -> float:
        """Sum over the images of the log-likelihood with displaced blocks, up to a constant."""
        total = self.follow.new_zeros(1)
        for batch, z, with_one in self._batches():
            own = torch.einsum("kif,vf->vki", screw, with_one).float()
            with torch.no_grad():
                total -= self.misfit(batch, z, partial(self.blocks.displaced, screw=own)).double().sum()
        return float(self.survey.total(total))

    def settled(self) -> Float[Tensor, "k 6 f1"]:
        """Screws to where the images pull neither at whole segments nor, all in one way, at blocks.

        They are sums of one, the first, and of functions of the latent. Steps are those of Newton, with the
        sum of outer products of the images' pulls for the information.
        """
        functions = 1 + self.follow.shape[1]
        screw = self.follow.new_zeros(len(self.blocks), 6, functions)
        here = self.likelihood(screw)
        for _ in range(STEPS):
            pull, step = self.pulls(screw), torch.zeros_like(screw)
            for line in dict.fromkeys(self.blocks.line):
                own = self.blocks.on(line)
                step[own] = self._step(pull[:, own], line)
            tried = {length: self.likelihood(screw + length * step) for length in LENGTHS}
            best = max(tried, key=tried.__getitem__)
            if tried[best] <= here:
                break
            screw, here = screw + best * step, tried[best]
        return screw

    def _step(self, pull: Float[Tensor, "v k 6"], line: int) -> Float[Tensor, "k 6 f1"]:
        """A step of the blocks of a line."""
        own, about = self.blocks.on(line), self.blocks.about(line).double()
        owner = [self.blocks.owner[block] for block in own]
        names = list(dict.fromkeys(owner))
        member = torch.tensor([[one == name for name in names] for one in owner]).to(about)
        whole = torch.einsum("vki,kij,ks->vsj", pull, about, member)
        parts = [pull.flatten(1), torch.einsum("vsj,vf->vsjf", whole, self.follow).flatten(1)]
        each = torch.cat(parts, dim=1)
        sums = self.survey.total(torch.cat([each.sum(0)[None], each.mT @ each]))
        found = solved(sums[1:], sums[0])
        same, varied = found.split([part.shape[1] for part in parts])
        segment = torch.einsum("kij,ks,sjf->kif", about, member, varied.view(len(names), 6, -1))
        return torch.cat([same.view(-1, 6, 1), segment], dim=2)

    def _batches(self) -> list[tuple[Batch, Tensor, Tensor]]:
        with_one = torch.cat([torch.ones_like(self.follow[:, :1]), self.follow], dim=1)
        parts = with_one.split([len(z) for _, z in self.seen])
        return [(batch, z, part) for (batch, z), part in zip(self.seen, parts, strict=True)]


def solved(matrix: Float[Tensor, "*h p p"], vector: Float[Tensor, "*h p"]) -> Float[Tensor, "*h p"]:
    """M^-1 s of what is estimated from few, and may be singular."""
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    held = RIDGE * diagonal + 1e-9 * diagonal.mean(-1, keepdim=True).clamp_min(1e-9)
    return torch.linalg.solve(matrix + torch.diag_embed(held), vector[..., None])[..., 0]
