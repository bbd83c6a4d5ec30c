"""Warnings about data that are not wrong, but spoil a result."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from trimorph.core.rotations import euler_to_matrix, random_rotations
from trimorph.run.concerns import place_concerns, view_concerns

BOX, PIXEL_SIZE, RADIUS = 32, 4.0, 48.0


def _views(count: int, *, tilt: float, around: float) -> NDArray[np.float64]:
    """Rotations with tilts up to ``tilt`` from z, and rot up to ``around``, both in degrees."""
    angle = np.random.default_rng(0).uniform(-1, 1, (count, 3)) * np.radians([around, tilt, 180])
    return euler_to_matrix(torch.as_tensor(angle)).numpy()


def test_even_views_and_side_views_are_enough() -> None:
    assert view_concerns(random_rotations(2000, generator=torch.Generator().manual_seed(0)).numpy()) == []
    angle = np.random.default_rng(0).uniform(-np.pi, np.pi, (2000, 3))
    angle[:, 1] = np.pi / 2
    assert view_concerns(euler_to_matrix(torch.as_tensor(angle)).numpy()) == []


@pytest.mark.parametrize(
    ("tilt", "around", "parts"),
    [
        (
            0.0,
            180.0,
            ["95 % of the directions", "(0.00, 0.00, 1.00)", "100 % along it"],
        ),  # one direction of view
        (30.0, 0.0, ["62 % of the directions", "1.00) of the object", "92 % along it"]),  # views in one plane
        (45.0, 180.0, ["29 % of the directions", "1.00) of the object", "not determined"]),  # a missing cone
    ],
)
def test_directions_that_are_not_determined(tilt: float, around: float, parts: list[str]) -> None:
    (line,) = view_concerns(_views(500, tilt=tilt, around=around))
    assert line.startswith("warning: ")
    for part in [*parts, "500 views", "Add particles with other views"]:
        assert part in line


def test_axis_is_the_objects() -> None:
    """All views look along the object's x axis."""
    look = euler_to_matrix(torch.tensor([0.0, torch.pi / 2, 0.0]).double()).numpy()
    (line,) = view_concerns(np.stack([look] * 50))
    assert "(1.00, 0.00, 0.00) of the object" in line


def _ball(centre: float, *, noise: float = 0.0) -> NDArray[np.float32]:
    """A ball of 16 Å radius, with its centre so many Å along x."""
    axis = (np.arange(BOX) - BOX // 2) * PIXEL_SIZE
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    density = ((x - centre) ** 2 + y**2 + z**2 < 16**2).astype(np.float32)
    return density + noise * np.random.default_rng(0).standard_normal(density.shape).astype(np.float32)


@pytest.mark.parametrize(
    "density", [_ball(0.0), _ball(20.0), _ball(0.0, noise=0.05), np.zeros((8, 8, 8), np.float32)]
)
def test_density_inside_the_particle(density: NDArray[np.float32]) -> None:
    assert place_concerns(density, pixel_size=PIXEL_SIZE, radius=RADIUS) == []


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_particles_off_centre(noise: float) -> None:
    (line,) = place_concerns(_ball(44.0, noise=noise), pixel_size=PIXEL_SIZE, radius=RADIUS)
    assert line.startswith("warning: 4")  # a little less than half of the ball
    for part in ("beyond the particle radius of 48 Å", "(x, y, z) = (44, 0, 0) Å", "Centre", "--diameter"):
        assert part in line


def test_particles_far_off_centre_whose_rest_the_window_has_cut_away() -> None:
    (line,) = place_concerns(_ball(30.0), pixel_size=PIXEL_SIZE, radius=RADIUS)
    assert line.startswith("warning: 0 % of the mean map's density lies beyond")
    assert "centre of mass is at (x, y, z) = (30, 0, 0) Å" in line
