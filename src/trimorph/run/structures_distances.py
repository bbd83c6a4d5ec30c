"""Distances between named groups of residues, such as two domains."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.residues import Residues


@dataclass(frozen=True, eq=False)
class Distance:
    """Two groups of residues, by their numbers, and the text that names them."""

    name: str
    first: Int[ndarray, " m"]
    second: Int[ndarray, " n"]

    @classmethod
    def parse(cls, text: str, residues: Residues) -> Distance:
        """Read "A:118-160 to A:30-59".

        Errors: InputError for another text, and for groups that name no residue.
        """
        sides = re.split(r"\s+to\s+", text.strip())
        if len(sides) != 2:
            raise InputError(
                f'Found --distance "{text}"; wanted two groups of residues with the word to between them, as '
                'in "A:118-160 to A:30-59".'
            )
        first, second = (residues.chosen(side, source="--distance") for side in sides)
        return cls(" to ".join(side.strip() for side in sides), first, second)

    def of(self, place: Float[ndarray, "v g 3"]) -> Float[ndarray, " v"]:
        """Distances in Å between the centroids of both groups."""
        apart = place[:, self.first].mean(1) - place[:, self.second].mean(1)
        return np.linalg.norm(apart, axis=1)
