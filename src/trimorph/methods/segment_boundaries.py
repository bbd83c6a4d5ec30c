"""How well it is known where segments begin and end: spreads under the posterior of the segmentation.

Letters: g residues, m most segments of a line, n residues of a line, k boundaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from trimorph.methods.segmentation import Segmentation, stretches
from trimorph.methods.structure_method import Segment

DRAWS = 256
"""Draws of the segmentation: a spread is known to 1 / sqrt(2 DRAWS), 4 %."""


def with_spreads(found: Sequence[Segment], segmentation: Segmentation) -> tuple[Segment, ...]:
    """Segments with the standard deviations, in residues, of where they begin and end on their lines.

    ``found`` holds all of the lines that it has some of. In each draw from the posterior, always the same
    ones, the boundary between two stretches lies behind as many residues as belong most to the first one's
    segment, of those from the middle of the first stretch to that of the second.
    """
    spreads: dict[tuple[int, int], float] = {}  # of the boundary before a residue, by its line and place
    for line in dict.fromkeys(one.line for one in found):
        own = [one for one in found if one.line == line]
        rows = segmentation.order.split(segmentation.sizes)[line]
        columns = segmentation.columns([one.number for one in own], line)
        label = torch.zeros(int(segmentation.order.max()) + 1, dtype=torch.long)
        for rank, one in enumerate(own):
            label[list(one.residues)] = rank
        starts = stretches(label[rows.cpu()])
        drawn = torch.stack(
            [
                segmentation.merged(share)[rows][:, columns].argmax(1).cpu()
                for share in segmentation.draws(DRAWS, seed=0)
            ]
        )
        middles = [(a + b) // 2 for a, b in zip(starts, [*starts[1:], len(rows)], strict=True)]
        for start, low, high in zip(starts[1:], middles, middles[1:], strict=False):
            first = label[rows[start - 1]]
            spreads[line, start + 1] = float((drawn[:, low:high] == first).sum(1).double().std())
    return tuple(
        replace(
            one, spread=(spreads.get((one.line, one.first), 0.0), spreads.get((one.line, one.last + 1), 0.0))
        )
        for one in found
    )
