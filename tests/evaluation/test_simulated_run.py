"""Scores of a run on simulated particles: a decoder that knows the truth, with and without the ceiling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trimorph.data.mrc import read_map
from trimorph.data.simulate import simulate
from trimorph.evaluation.simulated_run import score


@pytest.mark.parametrize("ceiling", [True, False])
def test_the_true_states_score_best(tmp_path: Path, ceiling: bool) -> None:
    made = simulate(
        "uniform", tmp_path / "u", count=200, box=16, pixel_size=18.0, snr=0.5, voxels=True, ceiling=ceiling
    )
    assert made.states is not None
    maps = sorted(made.states.glob("*.mrc"))
    z = made.truth.coordinate[:, None]
    found = score(z, lambda latent: read_map(maps[round(latent[0] / 0.03)]).values, made.truth, made.states)
    assert found.correlation == pytest.approx(1.0)
    assert found.fsc == pytest.approx(1.0, abs=1e-5)
    assert found.neighbour_correlation > 0.97
    assert found.accuracy is None
    assert found.accuracy_ceiling is None
    assert found.ceiling == made.truth.ceiling
    assert (found.ceiling is not None) == ceiling


def test_classes_have_a_ceiling_of_their_own(tmp_path: Path) -> None:
    made = simulate(
        "compositional",
        tmp_path / "c",
        count=60,
        box=16,
        pixel_size=18.0,
        snr=0.02,
        voxels=True,
        ceiling=True,
    )
    assert made.states is not None
    maps = sorted(made.states.glob("*.mrc"))
    z = np.eye(3)[made.truth.state]
    found = score(z, lambda latent: read_map(maps[latent.argmax()]).values, made.truth, made.states)
    assert found.accuracy == 1.0
    assert found.ceiling is None
    assert found.accuracy_ceiling is not None
    assert 0.5 < found.accuracy_ceiling < 1.0


def test_angles_round_a_circle_have_no_ends(tmp_path: Path) -> None:
    made = simulate("cyclic", tmp_path / "c", count=180, box=16, pixel_size=13.0, snr=1.0, voxels=True)
    assert made.states is not None
    maps = sorted(made.states.glob("*.mrc"))
    angle = made.truth.coordinate

    def volume(latent: np.ndarray) -> np.ndarray:
        return read_map(maps[round(float(np.arctan2(latent[1], latent[0])) / np.deg2rad(10)) % 36]).values

    found = score(np.stack([np.cos(angle), np.sin(angle)], axis=1), volume, made.truth, made.states)
    assert found.correlation == pytest.approx(1.0)
    assert found.neighbour_correlation > 0.95
    assert found.fsc == pytest.approx(1.0, abs=1e-5)
