"""What half sets agree on: known answers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from trimorph.methods.mode_agreement import align, principal, principal_cosines, shared_power, shells


def _orthogonal(size: int, seed: int) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(seed))).Q


@pytest.fixture
def modes() -> Tensor:
    """Three orthogonal modes of lengths 3, 2 and 1."""
    return torch.tensor([[3.0], [2.0], [1.0]]) * _orthogonal(20, 0)[:3]


def test_modes_that_were_turned_come_back_together(modes: Tensor) -> None:
    first, second = align(_orthogonal(3, 1) @ modes, _orthogonal(3, 2) @ modes)
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.norm(dim=1), torch.tensor([3.0, 2.0, 1.0]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        (first @ modes.T).abs(), torch.diag(torch.tensor([9.0, 4.0, 1.0])), rtol=1e-4, atol=1e-4
    )


def test_turning_keeps_the_covariance(modes: Tensor) -> None:
    generator = torch.Generator().manual_seed(3)
    other = modes + 0.3 * torch.randn(3, 20, generator=generator)
    first, second = align(modes, other)
    torch.testing.assert_close(first.T @ first, modes.T @ modes, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(second.T @ second, other.T @ other, rtol=1e-4, atol=1e-5)
    shared = first @ second.T
    torch.testing.assert_close(shared, torch.diag(shared.diagonal()), rtol=1e-4, atol=1e-4)
    assert shared.diagonal().tolist() == sorted(shared.diagonal().tolist(), reverse=True)


def test_principal_modes_are_orthogonal_and_largest_first(modes: Tensor) -> None:
    found = principal(torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 2.0], [1.0, 0.0, 1.0]]) @ modes)
    mixed = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 2.0], [1.0, 0.0, 1.0]]) @ modes
    torch.testing.assert_close(found.T @ found, mixed.T @ mixed, rtol=1e-4, atol=1e-4)
    gram = found @ found.T
    torch.testing.assert_close(gram, torch.diag(gram.diagonal()), rtol=1e-4, atol=1e-4)
    assert gram.diagonal().tolist() == sorted(gram.diagonal().tolist(), reverse=True)


@pytest.mark.parametrize("angle_deg", [0.0, 30.0, 75.0, 90.0])
def test_angle_between_two_planes(modes: Tensor, angle_deg: float) -> None:
    """Both planes hold the first mode; the second is turned by the angle out of the plane."""
    angle = math.radians(angle_deg)
    turned = math.cos(angle) * modes[1] / 2 + math.sin(angle) * modes[2]
    cosines = principal_cosines(modes[:2], torch.stack([turned + modes[0], modes[0]]))
    torch.testing.assert_close(cosines, torch.tensor([1.0, math.cos(angle)]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("box", [8, 9])
def test_a_wave_has_its_power_on_its_shell(box: int) -> None:
    place = torch.arange(box) * 2 * torch.pi / box
    wave = 0.5 * torch.cos(3 * place).expand(1, box, box, box)
    power = shared_power(wave, wave)
    number = torch.bincount(shells(box).flatten())
    expected = torch.zeros(len(number))
    expected[3] = 0.5 * 0.25 * box**6 / number[3]  # Parseval: box^3 times the sum of squares
    torch.testing.assert_close(power[0], expected, rtol=1e-4, atol=1e-2)


def test_noise_of_two_halves_is_not_shared() -> None:
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(1, 16, 16, 16, generator=generator)
    halves = [signal + torch.randn(1, 16, 16, 16, generator=generator) for _ in range(2)]
    number = torch.bincount(shells(16).flatten())
    total = (shared_power(*halves) * number).sum()
    assert float(total) == pytest.approx(float((signal**2).sum()) * 16**3, rel=0.05)
    own = (shared_power(halves[0], halves[0]) * number).sum()
    assert float(own) == pytest.approx(2 * float((signal**2).sum()) * 16**3, rel=0.1)


def test_shells_of_the_smallest_boxes() -> None:
    assert shells(3).unique().tolist() == [0, 1, 2]
    assert int(shells(4)[2, 0, 0]) == 2  # the frequency of half a box
