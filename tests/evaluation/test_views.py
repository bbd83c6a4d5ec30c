"""Which views show a motion, against the images' own geometry and the shares of uniform views."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimorph.core.rotations import random_rotations
from trimorph.data.motion import Motion
from trimorph.evaluation.views import visibility

ROTATION = random_rotations(20_000, generator=torch.Generator().manual_seed(0)).double().numpy()
DIRECTION = np.array([2.0, -1.0, 2.0]) / 3


def test_a_line_shows_by_how_far_an_image_moves() -> None:
    line = Motion("line", DIRECTION, np.outer(np.arange(3.0), DIRECTION), 12.0)
    found = visibility(ROTATION, line)
    np.testing.assert_allclose(found, np.linalg.norm((ROTATION @ DIRECTION)[:, :2], axis=1), atol=1e-6)
    for s in (0.2, 0.3, 0.5):
        assert (found < s).mean() == pytest.approx(1 - np.sqrt(1 - s**2), abs=0.005)


def test_a_circle_shows_by_how_far_mirrored_angles_part() -> None:
    """The farthest that two places with the same image height, mirrored in depth, lie apart in the image."""
    across = np.cross(DIRECTION, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    ring = np.outer(np.cos(angle), across) + np.outer(np.sin(angle), np.cross(DIRECTION, across))
    found = visibility(ROTATION, Motion("circle", DIRECTION, 40 * ring, 12.0))
    plane = (ROTATION[:500] @ ring.T)[:, :2]  # an ellipse: its area over pi is the shown cosine
    x, y = plane[:, 0], plane[:, 1]
    area = 0.5 * np.abs((x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(1))
    np.testing.assert_allclose(found[:500], area / (36 * np.sin(np.deg2rad(5))), atol=1e-5)
    assert (found < 0.3).mean() == pytest.approx(0.3, abs=0.01)
