"""Report of segments: how many are left, which residues they hold, and which neighbours move as one.

Letters: v latents, g residues, s segments, m most segments of a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.rigid_blend import blended_displacement
from trimorph.methods.base import Method, Survey
from trimorph.methods.segment_motion import SegmentMotion
from trimorph.methods.structure_method import Segment

ALIKE = 0.5
"""Root mean square distance in Å between motions that are taken to be the same."""

SURVEYED = 512
"""Images, at least, by which motions are compared."""


def living(motion: SegmentMotion) -> list[Segment]:
    """Segments that at least one residue belongs to most, along their lines; the others have died out."""
    segmentation = motion.segmentation
    with torch.no_grad():
        share = segmentation(sampled=False)
        occupancy, _ = segmentation.collect(share, share[:, :1])
    found = []
    for line, rows in enumerate(segmentation.order.split(segmentation.sizes)):
        best = share[rows].argmax(1)
        for own in dict.fromkeys(best.tolist()):
            where = (best == own).nonzero()[:, 0]
            if float(occupancy[line, own]) >= 1:
                ends = int(where[0]) + 1, int(where[-1]) + 1
                number = int(segmentation.number[line, own])
                found.append(Segment(number, line, *ends, tuple(rows[where].tolist())))
    return found


def segment_lines_of_text(
    method: Method, motion: SegmentMotion, survey: Survey, *, resolution: float | None, position: Tensor
) -> list[str]:
    """Lines for the user: the number of segments left, how many move on their own, and their residues."""
    found = living(motion)
    together = neighbours_alike(method, motion, found, survey, resolution=resolution, position=position)
    lines = [
        f"segments: {len(found)} of {motion.segmentation.count} hold residues, "
        f"{len(found) - len(together)} move on their own"
    ]
    for line in range(len(motion.segmentation.sizes)):
        own = [segment for segment in found if segment.line == line]
        said = "".join(
            f"{' = ' if segment.number in together else ' | '}{segment.first}-{segment.last}"
            for segment in own
        )
        lines.append(f"segments of chain or part {line + 1}: {said[3:]}")
    return lines


def neighbours_alike(
    method: Method,
    motion: SegmentMotion,
    found: Sequence[Segment],
    survey: Survey,
    *,
    resolution: float | None,
    position: Float[Tensor, "g 3"],
) -> set[int]:
    """Numbers of segments that move as the one before them does, to ALIKE, over the surveyed images.

    Two motions are compared where the residues of both stand.
    """
    pairs = [(a, b) for a, b in pairwise(found) if a.line == b.line]
    if not pairs:
        return set()
    total = torch.zeros(len(pairs) + 1, dtype=torch.float64, device=position.device)
    for batch in survey.batches(resolution):
        with torch.no_grad():
            z = method.encode(batch).mean
            total[:-1] += _differences(motion, pairs, z, position)
        total[-1] += len(z)
        if total[-1] >= SURVEYED:
            break
    total = survey.total(total)
    mean = (total[:-1] / total[-1].clamp_min(1)).sqrt().tolist()
    return {later.number for (_, later), apart in zip(pairs, mean, strict=True) if apart < ALIKE}


def _differences(
    motion: SegmentMotion,
    pairs: list[tuple[Segment, Segment]],
    z: Float[Tensor, "v d"],
    position: Float[Tensor, "g 3"],
) -> Float[Tensor, " p"]:
    """Sum over latents of the mean squared distance in Å^2 between the motions of each pair."""
    segmentation = motion.segmentation
    _, centres = segmentation.collect(segmentation(sampled=False), position)
    centre = centres[segmentation.valid]
    rigid = motion.rigid(*motion.screws(z))
    sums = []
    for pair in pairs:
        where = position[list(pair[0].residues + pair[1].residues)].mT
        first, second = (
            blended_displacement(
                rigid[:, one.number, :4, None].expand(-1, -1, where.shape[1]),
                rigid[:, one.number, 4:, None].expand(-1, -1, where.shape[1]),
                where - centre[one.number][:, None],
            )
            for one in pair
        )
        sums.append((first - second).square().sum(-1).mean(-1).sum())
    return torch.stack(sums).double()
