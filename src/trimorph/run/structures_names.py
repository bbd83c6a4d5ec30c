"""Names of residues, of ranges of them and of segments: by chain and the author's numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from trimorph.data.residues import Residues
from trimorph.methods.structure_method import Segment


@dataclass(frozen=True)
class NamedSegments:
    """Segments of a run with their names, such as A:1-129; tables number them from 1."""

    segments: tuple[Segment, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, segments: tuple[Segment, ...], names: list[str]) -> NamedSegments:
        """Segments named by the names of their residues."""
        return cls(segments, tuple(range_name(segment.residues, names) for segment in segments))

    def __len__(self) -> int:
        return len(self.segments)

    def of_residues(self, count: int) -> Int[ndarray, " g"]:
        """Number from 1 of the segment that each of so many residues is a member of, 0 where of none."""
        number = np.zeros(count, dtype=np.int64)
        for own, segment in enumerate(self.segments, start=1):
            number[list(segment.residues)] = own
        return number


def residue_names(residues: Residues) -> list[str]:
    """CHAIN:NUMBER of each residue, with its insertion code behind the number."""
    first = residues.first
    places = zip(first.chain, first.residue, first.insertion, strict=True)
    return [f"{chain}:{number}{code}" for chain, number, code in places]


def range_name(numbers: Iterable[int], names: list[str]) -> str:
    """Residues as CHAIN:FIRST-LAST, those that do not follow each other in the file joined by +.

    >>> range_name([3, 0, 1], ["A:1", "A:2", "A:3", "B:7"])
    'A:1-2+B:7'
    """
    ordered = sorted(numbers)
    said = []
    for _, group in groupby(enumerate(ordered), key=lambda pair: (pair[1] - pair[0], _chain(names[pair[1]]))):
        run = [number for _, number in group]
        last = names[run[-1]].rpartition(":")[2]
        said.append(names[run[0]] if len(run) == 1 else f"{names[run[0]]}-{last}")
    return "+".join(said)


def _chain(name: str) -> str:
    return name.rpartition(":")[0]
