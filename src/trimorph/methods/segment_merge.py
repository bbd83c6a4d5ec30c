"""Merging of segments: those that move as one become one, and the dead go to where their residues are.

Letters: v latents, s segments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log

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


Group = list[Segment]
"""Segments that move as the first of them."""


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
) -> list[Group]:
    """Segments in groups that move as one, the first of each its owner.

    Their motions differ by less than ``limit`` (Å), or than SMALL of the larger one; none do where it is
    zero. Of all pairs on a line those two are joined first that differ least, at the residues of both; the
    motion of two that are joined is that of the one with more residues. ``found`` is in the order of the
    lines.
    """
    groups = [[one] for one in found]
    while limit > 0:
        near = {}
        for i, j in pairs(groups):
            apart, size = compared(groups[i], groups[j], moments, position)
            near[i, j] = apart / max(limit, SMALL * size)
        if not near or min(near.values()) >= 1:
            break
        groups = joined(groups, min(near, key=near.__getitem__))
    return groups


def groups_untold(
    groups: list[Group],
    moments: MotionMoments,
    position: Float[Tensor, "g 3"],
    *,
    misfit: Callable[[list[Group]], float],
    enough: float,
) -> list[Group]:
    """Groups after those are joined which the images do not tell apart.

    That is so where ``misfit``, minus the logarithm of the images' likelihood, rises by less than ``enough``
    nats. The most alike are tried first, and two that were told apart are not tried again as they are.
    """
    refused: set[tuple[tuple[int, ...], ...]] = set()
    before = misfit(groups)
    while True:
        open_ = [pair for pair in likely(groups, moments, position) if _names(groups, pair) not in refused]
        if not open_:
            return groups
        trial = joined(groups, open_[0])
        after = misfit(trial)
        if after - before < enough:
            groups, before = trial, after
        else:
            refused.add(_names(groups, open_[0]))


def worth(latent_dim: int, particles: int) -> float:
    """Nats that images have to say for a segment: (6 d / 2) ln N of a motion of six numbers.

    Each follows the d components of the latent, and N is that of the particles.

    Source: Schwarz, Ann. Stat. 6 (1978) 461.
    """
    return 3 * latent_dim * log(max(particles, 2))


def groups_within(
    groups: list[Group],
    moments: MotionMoments,
    position: Float[Tensor, "g 3"],
    *,
    misfit: Callable[[list[Group]], float],
    most: Sequence[int],
) -> list[Group]:
    """Groups after those are joined which the images tell apart least, until a line has its ``most``."""
    while True:
        count = Counter(group[0].line for group in groups)
        crowded = [
            pair
            for pair in likely(groups, moments, position)
            if count[line := groups[pair[0]][0].line] > most[line]
        ]
        if not crowded:
            return groups
        groups = min((joined(groups, pair) for pair in crowded), key=misfit)


def pairs(groups: Sequence[Group]) -> list[tuple[int, int]]:
    """Numbers of any two groups of the same line."""
    return [(i, j) for i, j in combinations(range(len(groups)), 2) if groups[i][0].line == groups[j][0].line]


def likely(
    groups: Sequence[Group], moments: MotionMoments, position: Float[Tensor, "g 3"]
) -> list[tuple[int, int]]:
    """Pairs that may be one: neighbours, and each group with the one most like it; the most alike first."""
    apart = {(i, j): compared(groups[i], groups[j], moments, position)[0] for i, j in pairs(groups)}
    chosen = {pair for pair in apart if pair[1] == pair[0] + 1}
    for i in {i for pair in apart for i in pair}:
        chosen.add(min((pair for pair in apart if i in pair), key=apart.__getitem__))
    return sorted(chosen, key=apart.__getitem__)


def joined(groups: Sequence[Group], pair: tuple[int, int]) -> list[Group]:
    """The groups with two of them as one, which moves as the larger, in the place of the first."""
    i, j = pair
    first, second = sorted((groups[i], groups[j]), key=lambda group: -sum(len(one.residues) for one in group))
    return [*groups[:i], first + second, *groups[i + 1 : j], *groups[j + 1 :]]


def compared(
    first: Group, second: Group, moments: MotionMoments, position: Float[Tensor, "g 3"]
) -> tuple[float, float]:
    """How far two motions are apart at the residues of both, and how large the larger is, in Å."""
    rows = [row for one in first + second for row in one.residues]
    both = _moment(position[rows]) / len(rows)
    numbers = first[0].number, second[0].number
    return moments.apart(*numbers, both), max(moments.size(number, both) for number in numbers)


def owners(segmentation: Segmentation, groups: Sequence[Group]) -> Int[Tensor, " s"]:
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


def _names(groups: Sequence[Group], pair: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(one.number for one in groups[i]) for i in pair)


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
