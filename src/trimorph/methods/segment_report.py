"""Report of segments: how many are left, which residues they hold, and which of them move as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.methods.base import Method, Survey
from trimorph.methods.segment_boundaries import with_spreads
from trimorph.methods.segment_merge import (
    Group,
    MotionMoments,
    groups_alike,
    groups_untold,
    groups_within,
    owners,
    worth,
)
from trimorph.methods.segment_motion import SegmentMotion
from trimorph.methods.segmentation import Segmentation, stretches
from trimorph.methods.structure_method import Segment

JUDGED = 1024
"""Images by which it is judged whether motions are told apart."""

Misfit = Callable[[Batch, Tensor], Tensor]


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


def review_segments(
    method: Method,
    motion: SegmentMotion,
    survey: Survey,
    *,
    resolution: float | None,
    position: Tensor,
    limit: float,
    misfit: Misfit | None,
    particles: int,
) -> list[str]:
    """Lines for the user: how many segments hold residues, and which of a line move as one, to ``limit`` Å.

    With ``misfit`` these are merged, then those that the images do not tell apart, and then those that they
    tell apart least until a line has no more than it may keep. A segment is a
    further motion: the images tell it if they are more likely with it by its worth. ``misfit`` (b,) is minus
    the logarithm of each image's likelihood at a latent; it is asked of JUDGED images.
    """
    segmentation = motion.segmentation
    found = living(segmentation)
    moments = MotionMoments.of(method, motion, survey, resolution=resolution, position=position)
    alike = groups_alike(found, moments, position, limit=limit)
    said = f"segments: {len(found)} of {segmentation.count} hold residues, "
    if misfit is None:
        return [f"{said}{len(alike)} move on their own", *_lines(alike, segmentation)]
    seen = images_seen(method, survey, resolution=resolution, least=JUDGED)
    enough = worth(method.latent_dim, particles)
    as_trained = segmentation.owners

    def merge(groups: list[Group]) -> None:
        segmentation.merge(as_trained)
        segmentation.merge(owners(segmentation, groups))

    def misfit_of(groups: list[Group]) -> float:
        merge(groups)
        with torch.no_grad():
            told = torch.cat([misfit(batch, z) for batch, z in seen]).double()
        sums = survey.total(torch.stack([told.sum(), told.new_tensor(len(told))])).tolist()
        return float(particles * sums[0] / sums[1])

    untold = groups_untold(alike, moments, position, misfit=misfit_of, enough=enough) if limit else alike
    most = motion.lines.counts.tolist()
    groups = groups_within(untold, moments, position, misfit=misfit_of, most=most)
    merge(groups)
    with torch.no_grad():
        left = with_spreads(living(segmentation), segmentation)
    said += f"{len(left)} move on their own"
    if len(left) < len(found):
        said += (
            f": {len(found) - len(alike)} are merged with one that moves alike, "
            f"{len(alike) - len(untold)} with one that the images do not tell apart"
        )
    if len(groups) < len(untold):
        said += f", {len(untold) - len(groups)} as no more may be left"
    return [said, *_lines([[one] for one in left], segmentation)]


def images_seen(
    method: Method, survey: Survey, *, resolution: float | None, least: int
) -> list[tuple[Batch, Tensor]]:
    """Images of a process, ``least`` of them if there are so many, with the means of their latents."""
    seen: list[tuple[Batch, Tensor]] = []
    for batch in survey.batches(resolution):
        with torch.no_grad():
            seen.append((batch, method.encode(batch).mean))
        if sum(len(z) for _, z in seen) >= least:
            break
    return seen


def _lines(groups: Sequence[Group], segmentation: Segmentation) -> list[str]:
    """The segments of each line, with " = " between those that move as one."""
    said = []
    for line, rows in enumerate(segmentation.order.split(segmentation.sizes)):
        place = {row: rank for rank, row in enumerate(rows.tolist(), start=1)}
        own = [" = ".join(_ranges(one, place) for one in group) for group in groups if group[0].line == line]
        said.append(f"segments of chain or part {line + 1}: {' | '.join(own)}")
    return said


def _ranges(segment: Segment, place: Mapping[int, int]) -> str:
    """Its stretches, counted along the line, and by how many residues its beginning is uncertain."""
    ranks = torch.tensor([place[row] for row in segment.residues])
    starts = stretches(ranks - torch.arange(len(ranks)))
    first = [str(int(ranks[start])) for start in starts]
    last = [int(ranks[end - 1]) for end in [*starts[1:], len(ranks)]]
    if segment.spread[0]:
        first[0] += f" (± {segment.spread[0]:.1f})"
    return ", ".join(f"{one}-{other}" for one, other in zip(first, last, strict=True))
