"""Merging of segments: neighbours that move as one become one, and the dead go to where their residues are.

Letters: v latents, s segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.core.rotations import vector_to_matrix
from trimorph.methods.base import Method, Survey
from trimorph.methods.segment_motion import SegmentMotion
from trimorph.methods.segmentation import Segmentation
from trimorph.methods.structure_method import RigidMotion, Segment

SURVEYED = 512
"""Images, at least, by which motions are compared."""

SMALL = 0.05
"""Share of a motion by which another may differ and still be taken for the same."""

PRESENT = 10.0
"""Distance in Å that segments are taken to be apart of which one is there and the other is not."""


@dataclass(frozen=True, eq=False)
class MotionMoments:
    """Means over images of D_m^T D_n, where D_m (4, 4) takes (x, 1) to the displacement by segment m.

    So the mean squared distance between two motions is known at any point, of which second moments of the
    residues are all that is needed. A fourth axis holds the occupancy, of which one counts as PRESENT.
    Images of all processes count.
    """

    mean: Float[Tensor, "s 4 s 4"]

    @classmethod
    def of(
        cls,
        method: Method,
        motion: SegmentMotion,
        survey: Survey,
        *,
        resolution: float | None,
        position: Float[Tensor, "g 3"],
    ) -> MotionMoments:
        """Over SURVEYED images, at the means of their latents' posteriors."""
        count = motion.segmentation.count
        total = torch.zeros(count * 4 * count * 4 + 1, dtype=torch.float64, device=position.device)
        for batch in survey.batches(resolution):
            with torch.no_grad():
                matrix = _displacements(motion.rigid_motion(method.encode(batch).mean, position))
            total[:-1] += torch.einsum("vsix,vtiy->sxty", matrix, matrix).flatten()
            total[-1] += len(matrix)
            if total[-1] >= SURVEYED:
                break
        total = survey.total(total)
        return cls((total[:-1] / total[-1].clamp_min(1)).view(count, 4, count, 4).cpu())

    def size(self, number: int, moment: Float[Tensor, "4 4"]) -> float:
        """Root mean square displacement in Å by a motion, where the mean of (x, 1) (x, 1)^T is given."""
        return float((self.mean[number, :, number] * moment).sum().clamp_min(0).sqrt())

    def apart(self, first: int, second: int, moment: Float[Tensor, "4 4"]) -> float:
        """Root mean square distance in Å between two motions, where the mean of (x, 1) (x, 1)^T is given."""
        m = self.mean
        cross = m[first, :, second] + m[second, :, first]
        square = m[first, :, first] + m[second, :, second] - cross
        return float((square * moment).sum().clamp_min(0).sqrt())


def groups_alike(
    found: Sequence[Segment], moments: MotionMoments, position: Float[Tensor, "g 3"], *, limit: float
) -> list[list[Segment]]:
    """Segments in groups of neighbours that move as one, the first of each its owner.

    Their motions differ by less than ``limit`` (Å), or than SMALL of the larger one; none do where it is
    zero. Of all neighbours those two are joined first that differ least, at the residues of both; the motion
    of two that are joined is that of the one with more residues. ``found`` is in the order of the lines.
    """
    groups = [[one] for one in found]
    moment = {one.number: _moment(position[list(one.residues)]) for one in found}

    def between(i: int) -> float:
        """How far apart, in units of what counts as nothing."""
        first, second = groups[i][0], groups[i + 1][0]
        if first.line != second.line or limit == 0:
            return float("inf")
        both = torch.stack([moment[one.number] for one in groups[i] + groups[i + 1]]).sum(0)
        both = both / both[3, 3]
        size = max(moments.size(one.number, both) for one in (first, second))
        return moments.apart(first.number, second.number, both) / max(limit, SMALL * size)

    costs = [between(i) for i in range(len(groups) - 1)]
    while costs and min(costs) < 1:
        best = costs.index(min(costs))
        pair = sorted(groups[best : best + 2], key=lambda group: -sum(len(one.residues) for one in group))
        groups[best : best + 2] = [pair[0] + pair[1]]
        costs = [between(i) for i in range(len(groups) - 1)]
    return groups


def owners(segmentation: Segmentation, groups: Sequence[Sequence[Segment]]) -> Int[Tensor, " s"]:
    """The segment that each one moves as from now on, by their numbers.

    That is the first of its group, or of the group of the one that owns it already; for the dead, the living
    one whose shares meet theirs most, or the nearest on the line.
    """
    owner, before = torch.arange(segmentation.count), segmentation.owners.tolist()
    for group in groups:
        for one in group:
            owner[one.number] = group[0].number
    living = {one.number for group in groups for one in group}
    with torch.no_grad():
        share = segmentation(sampled=False)
    for line, rows in enumerate(segmentation.order.split(segmentation.sizes)):
        numbers = segmentation.number[line, segmentation.valid[line]].tolist()
        alive = [number for number in numbers if number in living]
        for number in numbers if alive else []:
            if before[number] in living:
                owner[number] = owner[before[number]]
            else:
                column, others = segmentation.columns([number], line), segmentation.columns(alive, line)
                met = (share[rows][:, column] * share[rows][:, others]).sum(0).tolist()
                near = max(range(len(alive)), key=lambda i: (met[i], -abs(alive[i] - number)))
                owner[number] = owner[alive[near]]
    return owner


def _displacements(motion: RigidMotion) -> Float[Tensor, "v s 4 4"]:
    rotation = vector_to_matrix(motion.turn.double())
    centre = motion.centre.double()
    turned = rotation - torch.eye(3).to(rotation)
    constant = motion.shift.double() - (turned @ centre[..., None])[..., 0]
    moved = torch.cat([turned, constant[..., None]], dim=-1)
    present = torch.zeros_like(moved[..., :1, :])
    present[..., 0, 3] = PRESENT * (motion.occupancy - 1)
    return torch.cat([moved, present], dim=-2)


def _moment(points: Float[Tensor, "n 3"]) -> Float[Tensor, "4 4"]:
    """Sum of (x, 1) (x, 1)^T."""
    whole = torch.cat([points, torch.ones_like(points[:, :1])], dim=1).double().cpu()
    return whole.mT @ whole
