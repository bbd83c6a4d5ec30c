"""All scores together: of an observer who knows all but the states, and of latents that know nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trimorph.core.errors import InputError
from trimorph.data.simulate import simulate
from trimorph.data.truth import Truth
from trimorph.evaluation.motion_scores import informed_latents, score_motion


def test_an_informed_observer_reaches_the_ceiling_and_no_more(moving: tuple[Truth, np.ndarray]) -> None:
    truth, _ = moving
    found = score_motion(informed_latents(truth), truth)
    assert found.mover is None
    if truth.circular:
        assert found.line is None
        assert found.circle is not None
        assert found.circle.correlation == pytest.approx(truth.ceiling, abs=0.02)
        assert found.circle.shown_correlation > found.circle.correlation
        assert found.circle.shown_error < np.deg2rad(15)
    else:
        assert found.circle is None
        assert found.line is not None
        assert found.line.correlation == pytest.approx(truth.ceiling, abs=0.02)
        assert found.line.shown_correlation > found.line.correlation
        assert -0.3 < found.line.slope_bias < 0
    if truth.composition is None:
        assert found.composition is None
    else:
        assert found.composition is not None
        assert found.composition.auc >= truth.composition_ceiling
        assert len(found.composition.correlation) == 2
        assert min(found.composition.correlation) > 0.9


def test_latents_must_be_those_of_the_particles(moving: tuple[Truth, np.ndarray]) -> None:
    truth, _ = moving
    with pytest.raises(InputError, match="found 399 for 400 particles, 1 of them not finite; wanted one"):
        score_motion(np.r_[np.zeros(398), np.nan][:, None], truth)


def test_what_a_truth_does_not_know_is_said(tmp_path: Path) -> None:
    other = simulate("compositional", tmp_path / "c", count=8, box=16, pixel_size=18.0, states=False).truth
    with pytest.raises(InputError, match="Truth of compositional: found no motion; wanted the path"):
        score_motion(np.zeros((8, 2)), other)
    with pytest.raises(InputError, match=r"found no probabilities of the states.*--ceiling"):
        informed_latents(other)
