"""SegmentMotion: how latents turn and shift the segments of a structure, and residues with them.

Letters: v latents, d their dimension, g residues, s segments, c lines, m most segments of a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trimorph.core.rigid_blend import blended_displacement, turn_quaternion
from trimorph.core.screw import screw_shift
from trimorph.methods.base import Problem
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.segment_lines import PIECES, lay_lines
from trimorph.methods.segment_problem import moving_residues
from trimorph.methods.segmentation import Segmentation, stretches
from trimorph.methods.structure_method import ResidueMotion, RigidMotion

STEP = 5.0
"""What an output of one stands for in Å: of a slide, and of a turn at the particle's radius."""

FULLEST = 1.25
"""Most of a segment that an image has, as a share of what the structure has there: some are better ordered
than the whole, but none is there twice."""

STRENGTH = 5.0
"""What an output of one stands for in the logarithm of the odds that a segment is there."""


class SegmentMotion(nn.Module):
    """Motions of residues by a network f(z) - f(0), so that z = 0 is the structure by construction.

    The network gives a turn w and a slide u for each segment: a screw motion at constant velocities for a
    unit of time, which is the rotation exp(w) about the segment's own centroid and the shift J(w) u of it.
    So a turn about any hinge is linear in its angle. A residue follows the blended rotation of its segments
    about their mean centroid, and their mean shift.
    """

    def __init__(
        self,
        problem: Problem,
        latent_dim: int,
        *,
        most: int,
        sharpness: float,
        occupancy: bool,
        width: int,
        layers: int,
    ) -> None:
        super().__init__()
        assert problem.points is not None  # so checked
        free = moving_residues(problem)
        lines = self.lines = lay_lines(problem, free, most=most)
        follows, own = lines.follows, torch.arange(len(free))
        self.segmentation = Segmentation(lines.line, lines.counts, exponent=sharpness)
        moves = free & (lines.line[follows] >= 0)
        self.all_move = bool((moves & (follows == own)).all())
        still = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])[:, None]
        for name, values in (("free", free), ("follows", follows), ("moves", moves), ("still", still)):
            self.register_buffer(name, values, persistent=False)
        self.free: Tensor
        self.follows: Tensor
        self.moves: Tensor
        self.still: Tensor
        self.radius, self.occupancy = problem.radius, occupancy
        outputs = self.numbers * self.segmentation.count
        self.network = ResidualMLP(latent_dim, outputs, width=width, layers=layers, last_bias=False)
        nn.init.zeros_(self.network.last.weight)
        register: Any = self.register_load_state_dict_pre_hook
        register(_laid_as_saved)

    @property
    def numbers(self) -> int:
        """How many numbers are a segment's motion."""
        return 7 if self.occupancy else 6

    def begin(self) -> None:
        """Take the pieces that training begins with, all still: PIECES of a line that may keep many."""
        self.lay(self.lines.pieces)
        if self.segmentation.learned:
            self.segmentation.use(PIECES, beyond=2 * PIECES)

    def lay(self, counts: Int[Tensor, " c"]) -> None:
        """Begin anew with this many segments on each line; parameters stay the same objects."""
        self.segmentation.lay(self.lines.line, counts)
        last = self.network.last
        last.out_features = self.numbers * self.segmentation.count
        last.weight.data = last.weight.new_zeros(last.out_features, last.in_features)

    @torch.no_grad()
    def part(self, line: int, label: Sequence[int], position: Float[Tensor, "g 3"]) -> None:
        """Give each stretch of equal labels along a line a segment of its own; those of one label are one.

        They move as before, each about its own centroid: as what their first residue belonged to.
        """
        segmentation, rows = self.segmentation, self.segmentation.order.split(self.segmentation.sizes)[line]
        starts = stretches(torch.tensor(label))
        best = segmentation.merged(segmentation(sampled=False))[rows[starts]].argmax(1)
        numbers = segmentation.number[line]
        parent, part = numbers[best], numbers[: len(starts)]
        before = self._centres(position)[parent]
        segmentation.tile(line, starts)
        arm = (self._centres(position)[part] - before) / self.radius
        weight = self.network.last.weight.view(segmentation.count, self.numbers, -1)
        own = weight[parent]
        own[:, 3:6] += torch.linalg.cross(own[:, :3], arm[:, :, None].expand_as(own[:, :3]), dim=1)
        weight[part] = own
        owner = segmentation.owners
        owner[numbers[segmentation.valid[line]]] = numbers[segmentation.valid[line]]
        named = [label[start] for start in starts]
        owner[part] = part[torch.tensor([named.index(name) for name in named]).to(part)]
        segmentation.merge(owner)

    def learned(self, z: Float[Tensor, "v d"]) -> Float[Tensor, "v u"]:
        """Functions of the latent, zero at z = 0, whose sums the motions of segments are."""
        found = self.network.units(torch.cat([z, torch.zeros_like(z[:1])])[:, None])[:, 0]
        return found[:-1] - found[-1:]

    def _centres(self, position: Float[Tensor, "g 3"]) -> Float[Tensor, "s 3"]:
        """Centroids of all segments at their means."""
        _, centre = self.segmentation.collect(self.segmentation(sampled=False), position)
        return centre[self.segmentation.valid]

    def forward(
        self, z: Float[Tensor, "v d"], position: Float[Tensor, "g 3"], *, sampled: bool
    ) -> ResidueMotion:
        """Motions of the residues, with segments drawn from their posteriors or at their means."""
        turn, slide, occupancy = self.screws(z)
        with torch.autocast(z.device.type, enabled=False):
            share = self.segmentation(sampled=sampled)
            _, centre = self.segmentation.collect(share, position)
            motion = self.rigid(turn, slide)
            motion = self._owned(motion, centre[self.segmentation.valid])
            occupancy = occupancy[:, self.segmentation.owners]
            middle = self._spread(share, centre.permute(2, 0, 1)[None], position.mT)[0]
            mean = self._spread(share, self.segmentation.padded(motion), self.still)
            there = torch.ones_like(mean[:, 0])
            if self.occupancy:
                lack = self.segmentation.padded(occupancy[..., None] - 1)
                there = 1 + self._spread(share, lack, there.new_zeros(1, 1))[:, 0]
            return ResidueMotion(mean[:, :4], middle.mT, mean[:, 4:].mT, there)

    def rigid_motion(self, z: Float[Tensor, "v d"], position: Float[Tensor, "g 3"]) -> RigidMotion:
        """Motions of all segments, at their means, in the lines' order; of merged ones as of one."""
        turn, slide, occupancy = self.screws(z)
        segmentation = self.segmentation
        share = segmentation(sampled=False)
        owned = segmentation.owners
        _, own = segmentation.collect(share, position)
        _, whole = segmentation.collect(segmentation.merged(share), position)
        own, whole = own[segmentation.valid][owned], whole[segmentation.valid][owned]
        rigid = self.rigid(turn, slide)[:, owned].mT
        shift = blended_displacement(rigid[:, :4], rigid[:, 4:], (whole - own).mT)
        return RigidMotion(turn[:, owned], shift, whole, occupancy[:, owned])

    def shares(self) -> Float[Tensor, "g s"]:
        """How much each residue belongs to each of all segments, or what it follows; zero where it stays."""
        segmentation = self.segmentation
        share = segmentation.merged(segmentation(sampled=False))[self.follows] * self.moves[:, None]
        whole = share.new_zeros(len(share), segmentation.count)
        columns = segmentation.number[segmentation.row[self.follows]]
        return whole.scatter_add(1, columns.clamp_min(0), share)

    def screws(
        self, z: Float[Tensor, "v d"]
    ) -> tuple[Float[Tensor, "v s 3"], Float[Tensor, "v s 3"], Float[Tensor, "v s"]]:
        """Turns (radians) and slides (Å) of the segments at their own centroids, and what is there of each.

        The latter is M / (1 + (M - 1) exp(-f)) with M = FULLEST: from 0 to M, and 1 for f = 0.
        """
        both = self.network(torch.cat([z, torch.zeros_like(z[:1])])[:, None]).float()
        change = (both[:-1] - both[-1:]).view(len(z), self.segmentation.count, -1)
        turn, slide = STEP / self.radius * change[..., :3], STEP * change[..., 3:6]
        if not self.occupancy:
            return turn, slide, torch.ones_like(turn[..., 0])
        return turn, slide, FULLEST / (1 + (FULLEST - 1) * torch.exp(-STRENGTH * change[..., 6]))

    @staticmethod
    def rigid(turn: Float[Tensor, "v s 3"], slide: Float[Tensor, "v s 3"]) -> Float[Tensor, "v s 7"]:
        """Quaternions of the rotations, and shifts (Å) of the centroids."""
        return torch.cat([turn_quaternion(turn), screw_shift(turn, slide)], dim=-1)

    def _spread(
        self, share: Float[Tensor, "g m"], values: Float[Tensor, "v k c m"], still: Float[Tensor, "k _"]
    ) -> Float[Tensor, "v k g"]:
        """Values of the residues' segments, or of those that they follow, and ``still`` where none move."""
        found = self.segmentation.spread(share, values)
        return found if self.all_move else torch.where(self.moves, found[..., self.follows], still)

    def _owned(self, motion: Float[Tensor, "v s 7"], centre: Float[Tensor, "s 3"]) -> Float[Tensor, "v s 7"]:
        """Motions of the segments as those that own them move, with shifts at their own centroids."""
        owners = self.segmentation.owners
        rigid, arm = motion[:, owners].mT, (centre - centre[owners]).mT
        return torch.cat([rigid[:, :4].mT, blended_displacement(rigid[:, :4], rigid[:, 4:], arm)], dim=-1)


def _laid_as_saved(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Take as many segments as a checkpoint has: those of training, or in old ones those that may be left."""
    assert isinstance(module, SegmentMotion)
    saved = len(state[f"{prefix}network.last.weight"])
    for counts in (module.lines.counts, module.lines.pieces):
        if len(module.network.last.weight) != saved == module.numbers * int(counts.sum()):
            module.lay(counts)
