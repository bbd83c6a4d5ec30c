"""Blocks of residues, which may be displaced further than their segments move them.

Letters: b images, g residues, k blocks, n points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.core.screw import screw_displacement
from trimorph.methods.segment_motion import SegmentMotion
from trimorph.methods.segmentation import stretches
from trimorph.methods.structure_method import ResidueMotion, Segment

RESIDUES, MOST = 4, 64
"""Residues in a block, about and at least, and blocks of a line, at most."""

ARM = 20.0
"""Distance in Å at which a turn by one, in the units used here, moves a point by 1 Å."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Runs of residues that follow each other on one line and move as one segment.

    ``of`` is the block of each residue, or of the one that it follows, and their number where it stays.
    ``line``, ``owner`` (number of the segment), ``first`` and ``last`` residue, counted along the line from
    0, are those of each block.
    """

    of: Int[Tensor, " g"]
    centre: Float[Tensor, "k 3"]
    line: tuple[int, ...]
    owner: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]

    @classmethod
    def of_segments(
        cls,
        motion: SegmentMotion,
        found: Sequence[Segment],
        lines: Sequence[int],
        position: Float[Tensor, "g 3"],
    ) -> Blocks:
        """Blocks of these lines."""
        segmentation = motion.segmentation
        own = torch.full_like(motion.follows, -1)
        table: list[tuple[int, int, int, int]] = []
        for line, rows in enumerate(segmentation.order.split(segmentation.sizes)):
            if line not in lines:
                continue
            size = len(rows)
            length = size / max(1, min(size // RESIDUES, MOST))
            label = torch.full((len(motion.follows),), -1)
            for one in found:
                label[list(one.residues)] = one.number
            ends = [*stretches(label[rows.cpu()]), size]
            for start, end in pairwise(ends):
                count = max(1, round((end - start) / length))
                cuts = [start + round((end - start) * i / count) for i in range(count + 1)]
                for first, last in pairwise(cuts):
                    own[rows[first:last]] = len(table)
                    table.append((line, int(label[rows[start]]), first, last - 1))
        centre = torch.stack([position[own == block].mean(0) for block in range(len(table))])
        of = own[motion.follows]
        of = torch.where((of >= 0) & motion.moves, of, len(table))
        return cls(of, centre, *zip(*table, strict=True))

    def __len__(self) -> int:
        return len(self.line)

    def on(self, line: int) -> list[int]:
        """Numbers of the blocks of a line."""
        return [block for block, own in enumerate(self.line) if own == line]

    def labels(self, owner: Mapping[int, int]) -> list[int]:
        """What each residue of a line belongs to, where each of the line's blocks belongs to one."""
        return [one for block, one in owner.items() for _ in range(self.first[block], self.last[block] + 1)]

    def named(self, chosen: Sequence[int]) -> str:
        """The residues of blocks of a line, counted along it from 1."""
        starts = [b for b in chosen if b - 1 not in chosen]
        ends = [b for b in chosen if b + 1 not in chosen]
        return ", ".join(f"{self.first[a] + 1}-{self.last[b] + 1}" for a, b in zip(starts, ends, strict=True))

    def about(self, line: int) -> Float[Tensor, "k 6 6"]:
        """What makes a screw about the centroid of a line's blocks one about that of each block."""
        centre = self.centre[self.on(line)]
        arm = (centre - centre.mean(0)) / ARM
        matrix = torch.eye(6).to(arm).repeat(len(arm), 1, 1)
        for axis, unit in enumerate(torch.eye(3).to(arm)):
            matrix[:, 3:, axis] = torch.linalg.cross(unit.expand_as(arm), arm)
        return matrix

    def displaced(
        self,
        motion: ResidueMotion,
        points: Float[Tensor, "n 3"],
        residue: Int[Tensor, " n"] | None,
        screw: Float[Tensor, "b k 6"],
    ) -> Float[Tensor, "b n 3"]:
        """Displacements (Å) on top of a motion by further screws of the blocks, as they lie in the structure.

        A screw turns a block about its centroid, and slides it; ``residue`` is that of each point.
        """
        block = self.of if residue is None else self.of[residue]
        quaternion = motion.quaternion if residue is None else motion.quaternion[:, :, residue]
        own = torch.cat([screw, torch.zeros_like(screw[:, :1])], dim=1)[:, block]
        centre = torch.cat([self.centre, torch.zeros_like(self.centre[:1])])[block]
        arm = (points - centre).expand(len(screw), -1, -1)
        moved = screw_displacement(own[..., :3] / ARM, own[..., 3:], arm)
        real, axis = quaternion[:, :1].mT, quaternion[:, 1:].mT
        across = torch.linalg.cross(axis, moved)
        square = quaternion.square().sum(1)[..., None].clamp_min(1e-12)
        return moved + 2 / square * (real * across + torch.linalg.cross(axis, across))
