"""The moving part is found where it was put, and what decoders get wrong is measured."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.data.motion import Motion
from trimorph.data.truth import Truth
from trimorph.evaluation.mover import (
    Region,
    locate_mover,
    middle_particles,
    score_mover,
    static_part,
)


def test_true_maps_have_the_mover_in_its_place(moving: tuple[Truth, np.ndarray]) -> None:
    truth, maps = moving
    found = score_mover(truth.state[:, None].astype(float), lambda z: maps[int(z[0])], truth)
    assert found.state_error < 0.7
    assert found.worst_state_error < 2.0
    assert found.error < 0.7
    if truth.circular:
        assert found.slope_bias is None
    else:
        assert found.slope_bias == pytest.approx(0.0, abs=0.03)


def test_scale_offset_and_noise_of_the_maps_do_not_matter(moving: tuple[Truth, np.ndarray]) -> None:
    truth, maps = moving
    generator = np.random.default_rng(0)
    level = 0.15 * maps.std() * generator.normal(size=maps.shape)
    found = score_mover(
        truth.state[:, None].astype(float), lambda z: 50 + 9 * (maps + level)[int(z[0])], truth, particles=20
    )
    assert found.state_error < 2.0
    assert found.error < 2.0


def test_a_decoder_that_moves_half_as_far_is_found_out(moving: tuple[Truth, np.ndarray]) -> None:
    truth, maps = moving
    if truth.circular or truth.composition is not None:
        frozen = score_mover(np.zeros((len(truth), 1)), lambda z: maps[0], truth, particles=10)
        assert frozen.state_error > 10  # nothing moves, so there is nothing to find
        return
    found = score_mover(truth.state[:, None] / 1.0, lambda z: maps[5 + int(z[0]) // 2], truth)
    assert found.slope_bias == pytest.approx(-0.5, abs=0.05)
    assert found.worst_state_error == pytest.approx(15.8, abs=2.0)


def test_a_ball_is_found_to_a_tenth_of_an_angstrom() -> None:
    generator = np.random.default_rng(1)
    path = np.stack([np.linspace(-30, 30, 20), np.full(20, 4.0), np.full(20, -9.0)], axis=1)
    motion = Motion("line", np.array([1.0, 0, 0]), path, 12.0)
    for box in (32, 47):  # even and odd
        region = Region.around(motion, box=box, side=150.0)
        axis = (np.arange(box) - box // 2) * 150.0 / box
        z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
        for _ in range(5):
            centre = path[generator.integers(20)] + generator.uniform(-5, 5, 3)
            distance2 = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
            density = np.exp(-0.5 * distance2 / 4.5**2)
            far = (x + 60) ** 2 + (y + 60) ** 2 + z**2 < 12**2  # brighter, and away from the path
            density[far] += 9.0
            np.testing.assert_allclose(locate_mover(region.cut(density), region), centre, atol=0.1)
    assert np.isfinite(locate_mover(region.cut(-np.ones((47, 47, 47))), region)).all()


def test_what_passes_by_leaves_nothing_in_what_stays() -> None:
    maps = np.ones((8, 2, 2, 2))
    maps[:5, 0, 0, 0] += 3.0
    np.testing.assert_array_equal(static_part(maps), np.ones((2, 2, 2)))


def test_middle_particles_are_of_the_state_and_shown_where_some_are() -> None:
    z = np.array([[0.0], [1.0], [5.0], [10.0], [11.0], [12.0]])
    state = np.array([0, 0, 0, 2, 2, 2])
    states, middle = middle_particles(z, state, np.ones(6, bool))
    assert (states.tolist(), middle.tolist()) == ([0, 2], [1, 4])
    shown = np.array([False, False, True, False, False, False])
    assert middle_particles(z, state, shown)[1].tolist() == [2, 4]
