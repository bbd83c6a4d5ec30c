"""Masks: the rule of half the 99.99th percentile, dilation and edge in Å."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.core.errors import InputError
from trimorph.reconstruction.mask import molecular_mask, spherical_mask


def test_threshold_dilation_and_edge() -> None:
    density = np.zeros((40, 40, 40), np.float32)
    density[18:23, 18:23, 18:23] = 10.0  # 125 of 64000 voxels: the 99.99th percentile is 10
    density[10, 20, 20] = 4.9  # below half of it
    density[30, 20, 20] = 5.1
    mask = molecular_mask(density, pixel_size=5.0)
    assert mask[10, 20, 20] == pytest.approx(0.5 + 0.5 * np.cos(np.pi))  # 40 Å off: just outside
    assert mask[35, 20, 20] == 1.0  # 25 Å beyond the voxel at 30
    np.testing.assert_allclose(mask[20, 20, 22:32], [1, 1, 1, 1, 1, 1, 0.75, 0.25, 0, 0], atol=1e-6)


def test_a_dark_map_has_no_mask() -> None:
    with pytest.raises(InputError, match=r"no voxel above a positive threshold .* wanted .* invert"):
        molecular_mask(-np.ones((8, 8, 8), np.float32), pixel_size=2.0)


@pytest.mark.parametrize("box", [12, 13])
def test_the_ball_is_around_the_origin_voxel(box: int) -> None:
    mask = spherical_mask(box, radius=3.0, edge=2.0)
    line = mask[box // 2, box // 2]
    assert line[box // 2 + 3] == line[box // 2 - 3] == 1.0
    assert line[box // 2 + 4] == line[box // 2 - 4] == pytest.approx(0.5)
    assert line[box // 2 + 5] == 0.0
