"""What motions cost before any image is seen: where clashes are looked for, and between what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.test_segments_decoders import empty_images, terms_of
from methods.test_structure_method import Z, made, told
from trimorph.core.batch import Batch
from trimorph.methods import segment_priors as module
from trimorph.methods import segments
from trimorph.methods.base import Problem
from trimorph.methods.segment_priors import MotionPriors
from trimorph.methods.segments import Segments, SegmentsSettings
from trimorph.methods.structure_method import ResidueMotion


@pytest.fixture(scope="module")
def problem() -> Problem:
    return told()


class NoImages:
    """A survey of none."""

    def batches(self, resolution: float | None) -> Iterator[Batch]:
        return iter(())

    def total(self, values: Tensor) -> Tensor:
        return values


def priors_of(problem: Problem) -> MotionPriors:
    return MotionPriors(SegmentsSettings(continuity=0.0), problem)


def clash(priors: MotionPriors, trace: Tensor) -> float:
    """The cost of clashes beside residues that stay where they are."""
    occupancy = torch.ones(1, len(priors.neutral))
    terms = priors(priors.neutral[None], trace=trace, occupancy=occupancy, segments=1, residual=None)
    return float(terms["clash"])


def test_clashes_are_those_of_the_atoms_that_a_chain_is_traced_by(problem: Problem) -> None:
    """Side chains of residues 1 and 100 point away from each other: their centroids tell nothing."""
    assert problem.points is not None
    trace = problem.points[:, :3].clone()
    trace[0], trace[99] = torch.tensor([90.0, 0.0, 0.0]), torch.tensor([95.0, 0.0, 0.0])
    priors = priors_of(replace(problem, trace=trace))
    moved = trace.clone()
    moved[99, 0] -= 1.2  # to 3.8 Å
    assert clash(priors, trace[None]) == 0.0
    assert clash(priors, moved[None]) == pytest.approx((0.5 * 0.25**2 + 0.25 * 0.25) / 0.35**2, rel=1e-3)
    assert clash(priors, torch.stack([moved, trace])) == pytest.approx(0.5 * clash(priors, moved[None]))


def test_without_such_atoms_clashes_are_those_of_the_points(problem: Problem) -> None:
    priors = priors_of(replace(problem, trace=None))
    assert torch.equal(priors.trace, priors.neutral)
    assert clash(priors, priors.neutral[None]) == 0.0


def test_in_training_clashes_are_looked_for_between_images_and_beyond(problem: Problem) -> None:
    priors, z = priors_of(problem), torch.tensor([[0.0, 5.0], [4.0, 5.0]]).requires_grad_()
    assert torch.equal(priors.eval().looked_at(z), z)
    torch.manual_seed(0)
    seen = torch.cat([priors.train().looked_at(z) for _ in range(300)])
    assert not seen.requires_grad
    assert torch.equal(seen[:, 1], torch.full((600,), 5.0))
    assert float(seen[:, 0].min()) == pytest.approx(-1.0, abs=0.05)  # a quarter of the way
    assert float(seen[:, 0].max()) == pytest.approx(5.0, abs=0.05)
    assert float(seen[:, 0].mean()) == pytest.approx(2.0, abs=0.3)


def test_of_large_structures_few_are_looked_at(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    priors, z = priors_of(problem).train(), torch.arange(8.0)[:, None]
    monkeypatch.setattr(module, "CLASHES_AMONG", 3 * len(priors.neutral))
    assert len(priors.looked_at(z)) == 3
    monkeypatch.setattr(module, "CLASHES_AMONG", 1)
    seen = torch.cat([priors.looked_at(z) for _ in range(50)])  # one, and still on its way to another
    assert seen.shape == (50, 1)
    assert float(seen.std()) > 1


def test_nothing_is_looked_at_where_clashes_cost_nothing(problem: Problem) -> None:
    assert len(MotionPriors(SegmentsSettings(clash=0.0), problem).looked_at(torch.ones(4, 2))) == 0
    assert "clash" in terms_of(made())
    assert "clash" not in terms_of(made(clash=0.0))


def test_after_the_last_stage_clashes_speak_against_a_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained after it, so that a merge has to leave structures as they may be."""
    method, asked = made(), []
    assert method.rigid is not None
    with torch.no_grad():
        for parameter in method.rigid.network.last.parameters():
            parameter *= 3
        cost = method.priors.clashing(method.residue_motion(Z))
        still = method.priors.clashing(ResidueMotion.none(2, method.position))
    assert float(cost) > 10 > float(still) == 0.0

    def review(*_: Any, misfit: Any, **__: Any) -> list[str]:
        asked.append(misfit)
        return []

    monkeypatch.setattr(segments, "review_segments", review)
    monkeypatch.setattr(method, "_misfit", lambda batch, z: torch.arange(3.0))
    method.review(method.stages[-1], NoImages())
    with torch.no_grad():
        torch.testing.assert_close(asked[0](empty_images(method, 3), Z), torch.arange(3.0) + cost)
        free = MotionPriors(SegmentsSettings(clash=0.0), told())
        assert float(free.clashing(method.residue_motion(Z))) == 0.0


def test_the_method_wants_them() -> None:
    assert "trace" in Segments.wants(SegmentsSettings())
