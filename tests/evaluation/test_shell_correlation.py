"""Shell sums against the FSC of the core, and against CryoBench's definition written out voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimorph.core.fsc import fourier_shell_correlation
from trimorph.evaluation.recovery import mean_fsc
from trimorph.evaluation.shell_correlation import (
    Shells,
    cryobench_area,
    cryobench_fsc,
    mean_of_shells,
    shell_fsc,
)

Sums = tuple[np.ndarray, np.ndarray, np.ndarray]


def pair(box: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(box)
    first = generator.normal(size=(box, box, box)).astype(np.float32) + 0.1
    return first, (first + generator.normal(size=first.shape)).astype(np.float32)


def sums(first: np.ndarray, second: np.ndarray) -> Sums:
    shells = Shells(len(first))
    a, b = shells.transform(first), shells.transform(second)
    return shells.cross(a, b), shells.power(a), shells.power(b)


@pytest.mark.parametrize("box", [12, 13, 18])
def test_rounded_shells_are_those_of_the_core(box: int) -> None:
    first, second = pair(box)
    known = fourier_shell_correlation(torch.tensor(first), torch.tensor(second)).numpy()
    found = shell_fsc(*sums(first, second))
    np.testing.assert_allclose(found, known, atol=1e-6)
    if box % 2 == 0:
        assert float(mean_of_shells(found)) == pytest.approx(mean_fsc(first[None], second[None]), abs=1e-6)


@pytest.mark.parametrize("box", [12, 18])
def test_cryobench_counts_shells_from_below(box: int) -> None:
    first, second = pair(box)
    axis = np.arange(box) - box // 2
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    f, g = (np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(density))) for density in (first, second))
    curve = [1.0]
    for shell in range(1, box // 2):
        a, b = f[(radius >= shell - 1) & (radius < shell)], g[(radius >= shell - 1) & (radius < shell)]
        curve.append((np.vdot(a, b) / np.sqrt(np.vdot(a, a) * np.vdot(b, b))).real)
    found = cryobench_fsc(*sums(first, second))
    np.testing.assert_allclose(found, curve, atol=1e-6)
    brute = sum((curve[i] + curve[i + 1]) / 2 / box for i in range(box // 2 - 1))
    assert float(cryobench_area(found, box=box)) == pytest.approx(brute, abs=1e-6)


def test_a_perfect_map_has_the_largest_area() -> None:
    first, _ = pair(16)
    curve = cryobench_fsc(*sums(first, 5 * first))
    assert float(cryobench_area(curve, box=16)) == pytest.approx(7 / 16, abs=1e-6)
    assert float(cryobench_area(np.ones(64), box=128)) == pytest.approx(0.4922, abs=1e-4)
    inverted = cryobench_fsc(*sums(first, -first))
    np.testing.assert_allclose(inverted[1:], -1.0, atol=1e-6)


def test_a_shell_without_power_counts_nothing() -> None:
    first, _ = pair(12)
    assert shell_fsc(*sums(first, np.zeros_like(first))).tolist() == [0.0] * 7
