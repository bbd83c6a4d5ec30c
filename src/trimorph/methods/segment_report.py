"""Report of segments: how many are left, which residues they hold, and which neighbours move as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimorph.methods.base import Method, Survey
from trimorph.methods.segment_boundaries import with_spreads
from trimorph.methods.segment_merge import MotionMoments, groups_alike, owners
from trimorph.methods.segment_motion import SegmentMotion
from trimorph.methods.segmentation import Segmentation
from trimorph.methods.structure_method import Segment


def living(segmentation: Segmentation) -> list[Segment]:
    """Segments that at least one residue belongs to most, along their lines; the others have died out.

    What was merged is one.
    """
    with torch.no_grad():
        share = segmentation.merged(segmentation(sampled=False))
        occupancy, _ = segmentation.collect(share, share[:, :1])
    found, numbers = [], segmentation.number.tolist()
    for line, rows in enumerate(segmentation.order.split(segmentation.sizes)):
        best = share[rows].argmax(1)
        for own in dict.fromkeys(best.tolist()):
            where = (best == own).nonzero()[:, 0]
            if float(occupancy[line, own]) > 1 - 1e-3:
                ends = int(where[0]) + 1, int(where[-1]) + 1
                found.append(Segment(numbers[line][own], line, *ends, tuple(rows[where].tolist())))
    return found


def compare_segments(
    method: Method,
    motion: SegmentMotion,
    survey: Survey,
    *,
    resolution: float | None,
    position: Tensor,
    limit: float,
    merge: bool,
) -> list[str]:
    """Lines for the user: how many segments hold residues, and which neighbours move as one, to ``limit`` Å.

    With ``merge`` these are one from now on, in all that is decoded.
    """
    segmentation = motion.segmentation
    found = living(segmentation)
    moments = MotionMoments.of(method, motion, survey, resolution=resolution, position=position)
    groups = groups_alike(found, moments, position, limit=limit)
    said = f"segments: {len(found)} of {segmentation.count} hold residues, {len(groups)} move on their own"
    if not merge:
        return [said, *_lines(found, groups, len(segmentation.sizes))]
    segmentation.merge(owners(segmentation, groups))
    with torch.no_grad():
        left = with_spreads(living(segmentation), segmentation)
    fewer = len(found) - len(left)
    ending = f": {fewer} merged with a neighbour" if fewer else ""
    return [said + ending, *_lines(left, [[one] for one in left], len(segmentation.sizes))]


def _lines(found: Sequence[Segment], groups: Sequence[Sequence[Segment]], lines: int) -> list[str]:
    """The segments of each line, with " = " before those that move as the one before them."""
    group = {one.number: number for number, members in enumerate(groups) for one in members}
    said = []
    for line in range(lines):
        text, before = "", -1
        for one in found:
            if one.line == line:
                text += f"{' = ' if group[one.number] == before else ' | '}{_range(one)}"
                before = group[one.number]
        said.append(f"segments of chain or part {line + 1}: {text[3:]}")
    return said


def _range(segment: Segment) -> str:
    """Its residues, and by how many of them its beginning is uncertain."""
    start = segment.spread[0]
    return f"{segment.first}{f' (± {start:.1f})' if start else ''}-{segment.last}"
