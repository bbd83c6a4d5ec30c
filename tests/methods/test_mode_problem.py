"""What the search for modes refuses, and says about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from methods.made_images import cloud, make_images
from trimorph.core.errors import InputError
from trimorph.methods.base import Problem
from trimorph.methods.linear import Linear, LinearSettings
from trimorph.methods.mode_problem import mode_counts, mode_limits, mode_unit

DENSITY = cloud(12, (0.0, 0.0, 0.0), (2.0, 1.0, -1.0))


@pytest.fixture(scope="module")
def problem() -> Problem:
    """12 particles of 38 Å, half of them in each half set."""
    return make_images(DENSITY, torch.zeros(12, dtype=torch.long)).problem(DENSITY[0])


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"mean": None}, ["without mean or half sets", "Linear.wants"]),
        ({"half": None}, ["without mean or half sets"]),
        ({"mask": torch.zeros(12, 12, 12)}, ["highest value is 0;", "wanted 1 where", "another --mask"]),
        ({"mask": torch.full((12, 12, 12), float("nan"))}, ["highest value is nan", "another --mask"]),
        ({"mean": torch.zeros(12, 12, 12)}, ["mean map that is zero everywhere", "trimorph reconstruct"]),
        ({"mean": torch.full((12, 12, 12), float("inf"))}, ["not finite", "poses, CTF and images"]),
        ({"half": torch.zeros(12, dtype=torch.long)}, ["12 particles in half set 1 and 0 in half set 2"]),
    ],
)
def test_problems_that_have_no_modes(problem: Problem, changed: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        Linear(LinearSettings(), replace(problem, **changed))
    for part in parts:
        assert part in str(caught.value)


def test_mask_of_a_single_voxel(problem: Problem) -> None:
    point = torch.zeros(12, 12, 12)
    point[6, 6, 6] = 1.0
    with pytest.raises(InputError, match=r"narrower than the modes' voxels of 6 Å; .*Widen the --mask"):
        Linear(LinearSettings(resolution=19.0), replace(problem, mask=point, pixel_size=4.0))


def test_fewer_images_than_modes(problem: Problem) -> None:
    with pytest.raises(
        InputError, match=r"found 12 particles, 6 in the smaller half set, for 7 modes; .*--modes 6 or less"
    ):
        Linear(LinearSettings(modes=7), problem)
    assert Linear(LinearSettings(modes=6), problem).latent_dim == 6
    assert Linear(LinearSettings(), problem).latent_dim == 6
    assert mode_counts("auto", torch.arange(1000) % 2) == (10, 20)


def test_resolution_limits(problem: Problem) -> None:
    large = replace(problem, radius=90.0)
    assert mode_limits(None, large) == pytest.approx((30.0, 20.0, 180 / 13))
    assert mode_limits(None, problem) == (10.0,)  # 2.5 pixels is finer than none of them
    assert mode_limits(12.0, problem) == (12.0,)
    assert mode_limits(1.0, problem) == (8.0,)  # what the pixels hold
    with pytest.raises(InputError, match=r"resolution of 25 Å for a particle of 38 Å; .*--resolution 6"):
        mode_limits(25.0, problem)


def test_unit_does_not_vanish_with_a_mask_around_a_faint_part() -> None:
    mean = torch.zeros(8, 8, 8)
    mean[:4] = 2.0
    whole, empty = torch.ones(8, 8, 8), torch.zeros(8, 8, 8)
    empty[5:] = 1.0
    assert float(mode_unit(mean, whole)) == pytest.approx(2 / 2**0.5)
    assert float(mode_unit(mean, empty)) == pytest.approx(0.4)
