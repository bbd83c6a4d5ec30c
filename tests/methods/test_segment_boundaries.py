"""Spreads of the boundaries of segments: those that normal posteriors give."""

from __future__ import annotations

import pytest
import torch

from trimorph.methods.segment_boundaries import with_spreads
from trimorph.methods.segmentation import Segmentation
from trimorph.methods.structure_method import Segment


def halves(line: int, start: int, length: int) -> list[Segment]:
    middle = start + length // 2
    return [
        Segment(2 * line, line, 1, length // 2, tuple(range(start, middle))),
        Segment(2 * line + 1, line, length // 2 + 1, length, tuple(range(middle, start + length))),
    ]


def test_a_boundary_spreads_as_the_means_beside_it() -> None:
    """Halfway between two means of widths that are known: their spread over the root of two."""
    made = Segmentation(torch.tensor(400 * [0] + 200 * [1]), torch.tensor([2, 2]), exponent=20.0)
    with torch.no_grad():
        made.log_spread.fill_(-20.0)
        made.log_spread[0, 0] = torch.tensor(0.05).log()
    found = with_spreads(halves(0, 0, 400) + halves(1, 400, 200), made)
    expected = 200 * 0.05 / 2**0.5
    assert found[0].spread == (0.0, pytest.approx(expected, rel=0.12))
    assert found[1].spread == (found[0].spread[1], 0.0)
    assert found[2].spread == found[3].spread == (0.0, 0.0)
    assert found == with_spreads(halves(0, 0, 400) + halves(1, 400, 200), made)


def test_what_is_not_learned_has_no_spread() -> None:
    made = Segmentation(torch.tensor(4 * [0] + 3 * [1]), torch.tensor([1, 1]), exponent=20.0)
    found = [Segment(0, 0, 1, 4, (0, 1, 2, 3)), Segment(1, 1, 1, 3, (4, 5, 6))]
    assert with_spreads(found, made) == tuple(found)
