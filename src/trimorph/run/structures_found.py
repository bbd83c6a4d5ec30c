"""Found: all that is known of the structures at chosen latents, before anything is written.

Letters: v states, g residues, s segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.run.choose_latents import Chosen
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_names import NamedSegments, residue_names
from trimorph.run.structures_quality import Quality
from trimorph.run.structures_sample import Sample
from trimorph.run.structures_screws import Screws


@dataclass(frozen=True, eq=False)
class Found:
    """States of a structure: places of residues (Å), quality, motions of segments; and a random sample.

    ``segment`` is the number from 1 of each residue's segment, or 0, ``share`` its shares in all of them, and
    ``displacement`` the largest distance in Å between two of its places in the states.
    """

    structure: MovingStructure
    chosen: Chosen
    sample: Sample
    names: list[str]
    named: NamedSegments
    places: Float[ndarray, "v g 3"]
    screws: Screws
    quality: Quality
    segment: Int[ndarray, " g"]
    share: Float[ndarray, "g s"]
    displacement: Float[ndarray, " g"]

    @classmethod
    def of(cls, structure: MovingStructure, chosen: Chosen, sample: Sample) -> Found:
        """Move the structure to the chosen latents and measure what became of it."""
        method, names = structure.method, residue_names(structure.residues)
        named = NamedSegments.of(method.segments(), names)
        places = structure.move_backbone(chosen.z)
        return cls(
            structure=structure,
            chosen=chosen,
            sample=sample,
            names=names,
            named=named,
            places=places,
            screws=Screws.of(structure.segment_motion(chosen.z), sample.main, middle=structure.middle),
            quality=Quality.of(places, structure.backbone),
            segment=named.of_residues(len(names)),
            share=method.shares().detach().double().numpy(),
            displacement=displacement(places, structure.backbone.position),
        )

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What is to be said of the quality of states and sample."""
        return tuple(
            f"{len(some)} {what}: {some.verdict(self.names)}; up to {some.rmsd.max():.1f} Å rms from the "
            f"start, {some.rmsd_fitted.max():.1f} Å after superposition"
            for what, some in (("states", self.quality), ("random particles", self.sample.quality))
        )


def displacement(states: Float[ndarray, "v g 3"], start: Float[ndarray, "g 3"]) -> Float[ndarray, " g"]:
    """Largest distance in Å between two places of each residue; of one state alone, to the start.

    >>> displacement(np.array([[[0.0, 0, 0]], [[3, 0, 0]], [[1, 0, 0]]]), np.zeros((1, 3))).tolist()
    [3.0]
    """
    if len(states) == 1:
        return np.linalg.norm(states[0] - start, axis=1)
    return np.max([np.linalg.norm(states - one, axis=2).max(0) for one in states], axis=0)
