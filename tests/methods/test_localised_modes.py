"""Localised modes: directions that move a known part, and what counts as motion."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trimorph.core.gaussians import Gaussians
from trimorph.methods.localised_modes import localised_modes, motion_jacobian

PLACE = torch.tensor([[0.0, 0, 0], [5, 0, 0], [0, 5, 0], [40, 0, 0], [45, 0, 0]])
FIRST = torch.tensor([1.0, 1, 1, 0, 0])
MIXING = torch.tensor([[0.6, -1.1, 0.0], [0.9, 0.5, 0.0]])
"""What the two parts' angles are made of: a third component moves nothing."""


def decode(z: Tensor) -> Gaussians:
    """Part one slides and part two turns about its first Gaussian, each by its own mixture of latents."""
    one, two = (z @ MIXING.T.to(z)).unbind(1)
    zero = torch.zeros_like(one)
    slide = torch.stack([zero, 3 * one, one**2], -1)[:, None] * FIRST[:, None]
    turn = torch.stack([5 * (two.cos() - 1), 5 * two.sin(), zero], -1)[:, None]
    last = torch.nn.functional.one_hot(torch.tensor(4), 5)[:, None]
    amplitude = torch.tensor([[2.0, 2, 2, 2, 2]]).expand(len(z), -1)
    return Gaussians(PLACE.to(z) + slide + turn * last, amplitude, torch.full_like(amplitude, 3.0))


def test_jacobian_is_the_derivative() -> None:
    centre = torch.tensor([0.2, -0.3, 0.5])
    found = motion_jacobian(decode, centre, 0.1 * torch.eye(3))
    expected = torch.autograd.functional.jacobian(lambda z: decode(z[None]).position[0], centre).movedim(
        -1, 0
    )
    torch.testing.assert_close(found.float() / 0.1, expected * 5**-0.5, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("inside", [FIRST, 1 - FIRST])
def test_the_part_asked_for_moves_alone(inside: Tensor) -> None:
    directions = torch.tensor([[1.0, 0.2, 0], [0, 0.7, 0.1], [0.3, 0, 1]])
    modes = localised_modes(motion_jacobian(decode, torch.zeros(3), directions), inside)
    assert float(modes.share[0]) > 0.99
    assert bool((modes.share.diff() <= 0).all())
    torch.testing.assert_close(modes.direction.norm(dim=1), torch.ones(3, dtype=torch.float64))
    step = 0.1 * modes.direction[0].float() @ directions
    moved = (decode(step[None]).position - decode(torch.zeros(1, 3)).position)[0].norm(dim=1)
    assert float(moved[inside > 0].max()) > 0.02
    assert float(moved[inside == 0].max()) < 0.01 * float(moved[inside > 0].max())


def test_a_direction_along_which_nothing_moves_is_not_the_first() -> None:
    jacobian = torch.zeros(2, 2, 3)
    jacobian[0, 0, 0], jacobian[0, 1, 0] = 1.0, 0.5  # four fifths inside
    jacobian[1, 0, 1] = 1e-4  # all of nothing
    modes = localised_modes(jacobian, torch.tensor([1.0, 0.0]))
    assert float(modes.direction[0, 0]) == pytest.approx(1.0, abs=1e-3)
    assert float(modes.share[0]) == pytest.approx(0.8, abs=1e-3)


def test_half_inside_is_half_of_the_motion() -> None:
    jacobian = torch.ones(1, 1, 3)
    assert float(localised_modes(jacobian, torch.tensor([0.5])).share) == pytest.approx(0.5)


def test_amplitude_counts_as_the_displacement_that_changes_the_density_as_much() -> None:
    pixel_size, box, width = 1.0, 32, 3.0

    def growing(z: Tensor) -> Gaussians:
        return Gaussians(torch.zeros(len(z), 1, 3), 5 * (1 + z), torch.full_like(z, width))

    row = motion_jacobian(growing, torch.zeros(1), torch.ones(1, 1), amplitudes=True)[0, 0]
    distance = float(row[3])
    assert row[:3].tolist() == [0.0, 0.0, 0.0]
    assert distance == pytest.approx(2**0.5 * width)
    one, small = torch.full((1, 1), 5.0), 0.01
    size = torch.full((1, 1), width)
    still = Gaussians(torch.zeros(1, 1, 3), one, size).voxels(box, pixel_size)
    moved = Gaussians(torch.tensor([[[small * distance, 0, 0]]]), one, size).voxels(box, pixel_size)
    grown = Gaussians(torch.zeros(1, 1, 3), one * (1 + small), size).voxels(box, pixel_size)
    assert float((moved - still).norm()) == pytest.approx(float((grown - still).norm()), rel=1e-3)
