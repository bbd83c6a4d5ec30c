"""How well it is known where segments begin and end: spreads under the posterior of the segmentation.

Letters: g residues, m most segments of a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor

from trimorph.methods.segmentation import Segmentation
from trimorph.methods.structure_method import Segment

DRAWS = 256
"""Draws of the segmentation: a spread is known to 1 / sqrt(2 DRAWS), 4 %."""


def with_spreads(found: Sequence[Segment], segmentation: Segmentation) -> tuple[Segment, ...]:
    """Segments, in the order of their lines, with the standard deviations of their ends in residues.

    In each draw from the posterior, always the same ones, the boundary between two neighbours lies behind as
    many residues of the line as belong most to segments up to the first of them.
    """
    lines = [list(group) for _, group in groupby(found, key=lambda one: one.line)]
    rows = [segmentation.order.split(segmentation.sizes)[line[0].line] for line in lines]
    chosen = [segmentation.columns([one.number for one in line], line[0].line) for line in lines]
    places: list[list[Tensor]] = [[] for _ in lines]
    for share in segmentation.draws(DRAWS, seed=0):
        for own, row, columns in zip(places, rows, chosen, strict=True):
            rank = segmentation.merged(share)[row][:, columns].argmax(1)
            own.append(torch.bincount(rank, minlength=len(columns)).cumsum(0)[:-1].double())
    ends: list[tuple[float, float]] = []
    for own in places:
        counts = torch.stack(own)
        inner = counts.std(0).tolist() if counts.shape[1] else []
        ends += zip([0.0, *inner], [*inner, 0.0], strict=True)
    return tuple(replace(one, spread=both) for one, both in zip(found, ends, strict=True))
