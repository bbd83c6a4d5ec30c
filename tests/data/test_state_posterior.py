"""The ceiling: exact probabilities of the states, by known answers and by brute force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimorph.cli.main import run
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.shared_slices import SharedSlices
from trimorph.data import state_posterior
from trimorph.data.mrc import open_stack, write_map
from trimorph.data.noise_profile import NoiseProfile
from trimorph.data.simulate import Simulation, simulate
from trimorph.data.simulated_images import EXACT
from trimorph.data.truth import Truth

SMALL: dict[str, Any] = {"box": 24, "pixel_size": 12.0, "voxels": True, "states": False, "ceiling": True}


def probability(made: Simulation) -> np.ndarray:
    assert made.truth.state_probability is not None
    return made.truth.state_probability


def images(made: Simulation) -> np.ndarray:
    return open_stack(made.stack).read(np.arange(len(made.truth))).astype(np.float64)


@pytest.mark.parametrize("voxels", [True, False])
def test_hardly_any_noise_tells_every_state(tmp_path: Path, voxels: bool) -> None:
    made = simulate("uniform", tmp_path / "u", count=60, snr=1e4, **{**SMALL, "voxels": voxels})
    np.testing.assert_array_equal(probability(made).argmax(1), made.truth.state)
    assert probability(made)[np.arange(60), made.truth.state].min() > 0.99
    assert made.truth.ceiling == pytest.approx(1.0)
    assert made.truth.accuracy_ceiling == 1.0


def test_all_noise_tells_nothing_but_how_often_states_occur(tmp_path: Path) -> None:
    made = simulate("cooperative", tmp_path / "c", count=40, snr=1e-9, **SMALL)
    share = made.truth.state_weights / made.truth.state_weights.sum()
    np.testing.assert_allclose(probability(made), np.broadcast_to(share, (40, 50)), rtol=2e-3, atol=1e-9)


def test_states_that_never_occur_are_never_found(tmp_path: Path) -> None:
    made = simulate("compositional", tmp_path / "c", count=30, snr=0.01, weights=(1.0, 0.0, 3.0), **SMALL)
    assert (probability(made)[:, 1] == 0).all()
    assert probability(made).sum(1) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("coloured", [False, True])
def test_brute_force_over_pixels_says_the_same(tmp_path: Path, coloured: bool) -> None:
    """Residuals against clean images from files, over the covariance matrix of the noise's pixels."""
    settings: dict[str, Any] = {"count": 12, "box": 16, "pixel_size": 18.0, "voxels": True, "states": False}
    settings |= {"b_factor": 300.0, "astigmatism": 2000.0, "seed": 3}
    colour = np.ones((16, 9))
    profile = {}
    if coloured:
        power = np.array([9.0, 6.0, 4.0, 2.0, 1.0, 0.5, 0.5, 1.0, 3.0])
        np.savetxt(tmp_path / "profile.txt", power)
        profile = {"noise_profile": str(tmp_path / "profile.txt")}
        colour = NoiseProfile(np.arange(9) / 288.0, power).filter(16, 18.0)
    made = simulate("compositional", tmp_path / "c", snr=0.02, ceiling=True, **profile, **settings)
    unit = np.eye(256).reshape(256, 16, 16)
    root = made.truth.noise_sigma * np.fft.irfft2(np.fft.rfft2(unit) * colour, s=(16, 16)).reshape(256, 256)
    precision = np.linalg.inv(root.T @ root)
    evidence = np.log(np.array([10.0, 15.0, 25.0]) / 50) * np.ones((12, 1))
    for state in range(3):
        only = tuple(float(state == other) for other in range(3))
        clean = simulate("compositional", tmp_path / f"{state}", snr=None, weights=only, **settings)
        np.testing.assert_array_equal(clean.truth.rotation, made.truth.rotation)
        residual = (images(made) - images(clean)).reshape(12, 256)
        evidence[:, state] -= 0.5 * np.einsum("ni,ij,nj->n", residual, precision, residual)
    wanted = np.exp(evidence - evidence.max(1, keepdims=True))
    wanted /= wanted.sum(1, keepdims=True)
    assert 0.05 < (1 - wanted.max(1)).mean() < 0.6  # neither certain nor blind
    np.testing.assert_allclose(probability(made), wanted, atol=2e-4)


def test_probabilities_are_calibrated(tmp_path: Path) -> None:
    """Of states that are given the probability p, the share p is true."""
    made = simulate("uniform", tmp_path / "u", count=2000, snr=0.03, **SMALL)
    given = probability(made).astype(np.float64)
    true = np.zeros_like(given)
    true[np.arange(len(given)), made.truth.state] = 1.0
    for low, high in ((0.0, 0.01), (0.01, 0.05), (0.05, 0.15), (0.15, 1.0)):
        kind = (given >= low) & (given < high)
        expected, spread = given[kind].sum(), np.sqrt((given * (1 - given))[kind].sum())
        assert expected > 25
        assert abs(true[kind].sum() - expected) < 3 * spread
    assert made.truth.accuracy_ceiling == pytest.approx(given.max(1).mean(), abs=0.03)
    assert (given * true).sum(1).mean() == pytest.approx((given**2).sum(1).mean(), abs=0.01)


def test_maps_too_many_for_memory_are_taken_in_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = simulate("uniform", tmp_path / "a", count=20, snr=0.03, **SMALL)
    rows = SharedSlices(24, 12.0, FourierDisk(24, 12.0), EXACT).rows
    monkeypatch.setattr(state_posterior, "_TABLE_BYTES", 7 * 8 * rows)
    told: list[tuple[int, int]] = []
    apart = simulate(
        "uniform", tmp_path / "b", count=20, snr=0.03, progress=lambda *at: told.append(at), **SMALL
    )
    np.testing.assert_allclose(probability(apart), probability(together), atol=1e-4)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {total for _, total in told} == {2 * 20 + 50 * 20}
    assert told[-1] == (1040, 1040)


def test_the_truth_file_keeps_the_probabilities(tmp_path: Path) -> None:
    made = simulate("uniform", tmp_path / "u", count=100, snr=0.1, **SMALL)
    read = Truth.read(made.truth_file)
    np.testing.assert_array_equal(read.state_probability, probability(made))
    np.testing.assert_allclose(read.expected_coordinate, probability(made) @ (0.03 * np.arange(50)))
    assert read.ceiling == made.truth.ceiling
    assert 0.9 < read.ceiling < 1
    without = simulate("uniform", tmp_path / "w", count=100, snr=0.1, **{**SMALL, "ceiling": False})
    assert without.stack.read_bytes() == made.stack.read_bytes()
    read = Truth.read(without.truth_file)
    assert (read.state_probability, read.ceiling, read.accuracy_ceiling) == (None, None, None)
    assert read.expected_coordinate is None


def test_classes_have_an_accuracy_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = simulate("compositional", tmp_path / "c", count=50, snr=0.1, **SMALL)
    assert made.truth.ceiling is None
    assert made.truth.accuracy_ceiling is not None
    assert made.truth.accuracy_ceiling > 0.9
    words = ["--count", "20", "--box", "16", "--pixel-size", "18", "--no-states", "--voxels", "--ceiling"]
    assert run(["simulate", "compositional", "-o", str(tmp_path / "said"), *words]) == 0
    said = capsys.readouterr().out
    assert "% of the most probable states are the true ones" in said
    assert "Spearman" not in said
    assert run(["simulate", "uniform", "-o", str(tmp_path / "angle"), *words]) == 0
    assert "of the expected hinge angle in radians with the true one" in capsys.readouterr().out


def test_a_ceiling_needs_noise_and_a_choice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found snr = None with ceiling; wanted a number"):
        simulate("uniform", tmp_path / "x", snr=None, ceiling=True)
    write_map(tmp_path / "one.mrc", np.ones((16, 16, 16), np.float32), 4.0)
    with pytest.raises(
        InputError, match=r"one\.mrc: found one state.*wanted two states or more.*Leave ceiling"
    ):
        simulate(tmp_path / "one.mrc", tmp_path / "x", ceiling=True)
    assert [path.name for path in tmp_path.iterdir()] == ["one.mrc"]
