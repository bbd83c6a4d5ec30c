"""Parting of segments: images are asked which residues of a segment move otherwise than the rest of it.

It is Rao's score test. Blocks of residues are first given displacements that are the same in all images, and
the segments more of their motion, until the images pull at neither. What then still pulls at a run of
blocks, differently in different images, is a motion of its own: one backward pass shows it for every run at
once, as pulls at neighbouring blocks add up. A displacement that is the same in all images is of the start
or of how its density is drawn, and parts nothing.

Letters: v images, k blocks, f functions of the latent, q = 6 f, r runs, p parameters.

Source: Rao, Math. Proc. Camb. Phil. Soc. 44 (1948) 50.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.methods.base import Method, Survey
from trimorph.methods.segment_blocks import Blocks
from trimorph.methods.segment_merge import worth
from trimorph.methods.segment_motion import SegmentMotion
from trimorph.methods.segment_question import Misfit, Question, solved
from trimorph.methods.segment_report import images_seen, living

ASKED = 2048
"""Images of a process, at least, that are asked."""

LEAST, EDGE = 2, 2
"""Blocks, at least, that are parted off, and that are left; blocks beside another segment that are not asked,
as what pulls at them may be that residues of it are among them."""

AT_ONCE = 256
"""Runs that are looked at together, for the memory's sake."""

CHANCE = 0.01
"""How often noise may part a line."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What images say of further motions of a line's blocks: scores and information of each half of them.

    Motions are screws about one point that follow functions of the latent without their mean.
    """

    score: Float[Tensor, "2 k q"]
    information: Float[Tensor, "2 k q k q"]

    @classmethod
    def of(cls, question: Question, pull: Float[Tensor, "v k 6"], line: int) -> Answer:
        """Of the pulls at all blocks."""
        own, about = question.blocks.on(line), question.blocks.about(line).double()
        follow, total = question.follow, question.survey.total
        mean = total(torch.cat([follow.sum(0), follow.new_tensor([float(len(follow))])]))
        varied = follow - mean[:-1] / mean[-1]
        each = torch.einsum("vki,kij,vf->vkjf", pull[:, own], about, varied).flatten(2)
        halves = [each[0::2], each[1::2]]
        score = total(torch.stack([half.sum(0) for half in halves]))
        return cls(score, total(torch.stack([torch.einsum("vkq,vlp->kqlp", half, half) for half in halves])))

    def gains(self, own: Sequence[int], runs: Sequence[Sequence[int]]) -> Float[Tensor, " r"]:
        """Nats that a motion of its own of each run of blocks brings, over one that all its segment makes.

        It is asked of each half of the images what the other one says: noise alone brings less than nothing.
        """
        chosen = torch.zeros(1 + len(runs), self.score.shape[1]).to(self.score)
        for row, blocks in enumerate([own, *runs]):
            chosen[row, list(blocks)] = 1
        whole, runs_ = chosen[0], chosen[1:]
        size = self.score.shape[2]
        score = torch.einsum("rk,hkq->hrq", chosen, self.score)
        both = torch.cat([score[:, :1].expand(-1, len(runs), -1), score[:, 1:]], dim=2)
        matrix = both.new_zeros(2, len(runs), 2 * size, 2 * size)
        for half, information in enumerate(self.information):
            across = torch.einsum("rk,kqlp->rqlp", runs_, information)
            mixed = torch.einsum("rqlp,l->rqp", across, whole)
            matrix[half, :, :size, :size] = torch.einsum("k,kqlp,l->qp", whole, information, whole)
            matrix[half, :, size:, :size], matrix[half, :, :size, size:] = mixed, mixed.mT
            matrix[half, :, size:, size:] = torch.einsum("rqlp,rl->rqp", across, runs_)
        return _held_out(both, matrix) - _held_out(both[..., :size], matrix[..., :size, :size])


def part_segments(
    method: Method,
    motion: SegmentMotion,
    survey: Survey,
    *,
    resolution: float | None,
    position: Float[Tensor, "g 3"],
    misfit: Misfit,
    particles: int,
) -> list[str]:
    """Part segments of lines that may have more, where images ask for it; lines for the user.

    A part has to bring as many nats as make a segment worth its numbers where segments are merged.
    """
    segmentation = motion.segmentation
    room = (segmentation.used.sum(1) < segmentation.valid.sum(1)).nonzero()[:, 0].tolist()
    if not room:
        return []
    blocks = Blocks.of_segments(motion, living(segmentation), room, position)
    seen = images_seen(method, survey, resolution=resolution, least=ASKED)
    question = Question.about(motion, blocks, seen=seen, misfit=misfit, survey=survey)
    pull = question.pulls(question.settled())
    share = float(survey.total(pull.new_tensor([float(len(pull))]))) / particles
    enough = worth(method.latent_dim, particles)
    said = []
    for line in room:
        answer, most = Answer.of(question, pull, line), int(segmentation.valid[line].sum())
        found = parts_of_line(answer, blocks, line, share=share, enough=enough, most=most)
        if found.asked:
            motion.part(line, blocks.labels(found.part), position)
        said.append(
            f"segments of chain or part {line + 1}, of which {most} may be left: {found.told(blocks)}"
        )
    return said


@dataclass(frozen=True)
class Asked:
    """A run of blocks that asks for a motion of its own, what it is a part of, and nats that it brings.

    ``among`` counts the runs that it was chosen from.
    """

    gain: float
    run: tuple[int, ...]
    group: tuple[int, ...]
    among: int


@dataclass(frozen=True)
class Parts:
    """A number for each block of a line, the same in each part, and what asked to be one, the most first.

    ``refused`` asked next, in vain, as it takes so many nats as ``wanted``, or there is no more room.
    """

    part: dict[int, int]
    asked: tuple[Asked, ...]
    refused: Asked | None
    wanted: float

    def told(self, blocks: Blocks) -> str:
        """For the user."""
        said = [f"{blocks.named(a.run)} of {blocks.named(a.group)} for {a.gain:.0f} nats" for a in self.asked]
        line = "images ask for none more" if not said else f"images ask for {', '.join(said)}"
        if self.refused is None:
            return line
        run, gain = blocks.named(self.refused.run), self.refused.gain
        return f"{line}; not for {run}, {gain:.0f} of {self.wanted:.0f} nats"


def parts_of_line(
    answer: Answer, blocks: Blocks, line: int, *, share: float, enough: float, most: int
) -> Parts:
    """What is parted off the segments of a line: one run of blocks after the other.

    It is that of all runs within a segment which images ask most for, as long as it brings ``enough`` nats,
    where those asked are a ``share`` of all, and those asked alone more than noise would; and no more than
    ``most`` stretches come of it. Blocks beside another segment are not asked, but go with the next.

    Of noise one draw in e^g brings g nats to images that did not choose the motion, or fewer (Markov's
    inequality of the ratio of likelihoods), and each half of the images chooses from all runs.
    """
    own, asked = blocks.on(line), list[Asked]()
    part = {block: blocks.owner[block] for block in own}
    while True:
        every = [_most(answer, own, part, name) for name in dict.fromkeys(part.values())]
        best = max(every, key=lambda one: one.gain)
        if not best.run:
            return Parts(part, tuple(asked), None, enough)
        noise = 2 * math.log(2 * sum(one.among for one in every) / CHANCE)
        wanted, best = max(enough, noise / share), replace(best, gain=best.gain / share)
        trial = part | dict.fromkeys(best.run, 1 + max(part.values()))
        stretches = 1 + sum(trial[a] != trial[b] for a, b in pairwise(own))
        if not best.gain >= wanted or stretches > most:
            return Parts(part, tuple(asked), best, wanted)
        part = trial
        asked.append(best)


def _most(answer: Answer, own: Sequence[int], part: Mapping[int, int], name: int) -> Asked:
    """What asks most among the runs of blocks in a part."""
    group = tuple(block for block in own if part[block] == name)
    near = [step for step in range(-EDGE, EDGE + 1) if step]
    inner = [block for block in group if all(part.get(block + step, name) == name for step in near)]
    runs = [
        inner[i:j]
        for i in range(len(inner))
        for j in range(i + LEAST, len(inner) + 1)
        if inner[j - 1] - inner[i] == j - 1 - i and j - i <= len(inner) - LEAST
    ]
    if not runs:
        return Asked(-math.inf, (), group, 0)
    asked = [[block - own[0] for block in run] for run in [inner, *runs]]
    some = range(1, len(asked), AT_ONCE)
    gains = torch.cat([answer.gains(asked[0], asked[start : start + AT_ONCE]) for start in some])
    run = runs[int(gains.argmax())]
    return Asked(float(gains.max()), _with_edges(run, group, inner), group, len(runs))


def _with_edges(run: Sequence[int], group: Sequence[int], inner: Sequence[int]) -> tuple[int, ...]:
    """A run with what lies between it and other segments."""
    low, high = run[0], run[-1]
    while low - 1 in group and low - 1 not in inner:
        low -= 1
    while high + 1 in group and high + 1 not in inner:
        high += 1
    return tuple(range(low, high + 1))


def _held_out(score: Float[Tensor, "2 r p"], information: Float[Tensor, "2 r p p"]) -> Float[Tensor, " r"]:
    """s^T A - A^T I A / 2 of each half, where A = I^-1 s of the other, in all."""
    found = solved(information, score)
    other = found.flip(0)
    bent = torch.einsum("hrp,hrpq,hrq->hr", other, information, other)
    return ((score * other).sum(-1) - 0.5 * bent).sum(0)
