"""Sample: structures at the latents of random particles, and what they say of the whole run.

Letters: r particles, g residues, s segments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_quality import Quality
from trimorph.run.structures_screws import Screws, main_axes
from trimorph.training.latents import Latents

SEED = 0
"""Of the choice of particles, so that a report is the same when it is written again."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Numbers of the particles among those in use, the quality of their structures, motions of segments.

    ``main`` are the segments' main axes, ``fluctuation`` the root mean square distance of each residue to its
    mean place in Å.
    """

    particle: Int[ndarray, " r"]
    quality: Quality
    screws: Screws
    main: Float[ndarray, "s 3"]
    fluctuation: Float[ndarray, " g"]

    @classmethod
    def of(
        cls, structure: MovingStructure, latents: Latents, *, count: int, tell: Callable[[int], None]
    ) -> Sample:
        """Draw so many particles, or all where there are fewer; ``tell`` is told how many are done."""
        most = min(count, len(latents))
        rows = np.sort(np.random.default_rng(SEED).permutation(len(latents))[:most])
        z = latents.mean[rows]
        start = structure.backbone.position
        parts, total, square = [], np.zeros_like(start), np.zeros(len(start))
        for some in structure.chunks(most):
            moved = structure.move_backbone(z[some])
            parts.append(Quality.of(moved, structure.backbone))
            total += (moved - start).sum(0)
            square += ((moved - start) ** 2).sum((0, 2))
            tell(len(moved))
        spread = square / most - ((total / most) ** 2).sum(1)
        motion = structure.segment_motion(z)
        main = main_axes(motion)
        return cls(
            particle=rows,
            quality=Quality.together(parts),
            screws=Screws.of(motion, main, middle=structure.middle),
            main=main,
            fluctuation=np.sqrt(np.maximum(spread, 0)),
        )
