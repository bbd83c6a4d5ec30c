"""Rotations: RELION's Euler angles, independent matrices, poles, validity."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from trimorph.core.rotations import (
    euler_to_matrix,
    is_rotation,
    matrix_to_euler,
    matrix_to_vector,
    nearest_rotation,
    random_rotations,
    rotation_angle,
    vector_to_matrix,
)

ANGLE = st.floats(-pi, pi)


def test_matrix_that_another_program_recorded() -> None:
    euler = torch.deg2rad(torch.tensor([-147.9485, 22.58999, 162.539], dtype=torch.float64))
    recorded = [
        [0.90571941, 0.21306972, 0.36643367],
        [-0.27142096, 0.95553406, 0.11526193],
        [-0.32558103, -0.20385275, 0.92327734],
    ]
    np.testing.assert_allclose(euler_to_matrix(euler).numpy(), recorded, atol=1e-7)


@given(ANGLE, ANGLE, ANGLE)
def test_equals_the_transpose_of_scipys_intrinsic_zyz(rot: float, tilt: float, psi: float) -> None:
    ours = euler_to_matrix(torch.tensor([rot, tilt, psi], dtype=torch.float64))
    theirs = Rotation.from_euler("ZYZ", [rot, tilt, psi]).as_matrix().T
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-12)


@given(ANGLE, st.floats(0, pi) | st.sampled_from([0.0, pi]), ANGLE)
def test_euler_angles_give_back_their_matrix_also_at_the_poles(rot: float, tilt: float, psi: float) -> None:
    matrix = euler_to_matrix(torch.tensor([rot, tilt, psi], dtype=torch.float64))
    again = euler_to_matrix(matrix_to_euler(matrix))
    assert float((again - matrix).abs().max()) < 1e-5


def test_euler_angles_at_the_poles_put_all_in_psi() -> None:
    euler = torch.tensor([[0.3, 0.0, 1.1], [0.3, pi, 1.1]], dtype=torch.float64)
    back = matrix_to_euler(euler_to_matrix(euler))
    torch.testing.assert_close(back[:, 0], torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(back[:, 2], torch.tensor([1.4, 0.8], dtype=torch.float64))


@given(st.tuples(*[st.floats(-3, 3)] * 3))
def test_rotation_vectors_equal_scipys(vector: tuple[float, float, float]) -> None:
    ours = vector_to_matrix(torch.tensor(vector, dtype=torch.float64))
    np.testing.assert_allclose(ours.numpy(), Rotation.from_rotvec(vector).as_matrix(), atol=1e-9)


def test_small_rotation_vectors_have_finite_gradients() -> None:
    vector = torch.zeros(2, 3, requires_grad=True)
    (vector_to_matrix(vector) * torch.arange(9.0).view(3, 3)).sum().backward()
    assert vector.grad is not None
    # d/dv expm([v]_x) at zero is the generator: entries (2,1)-(1,2), (0,2)-(2,0), (1,0)-(0,1)
    torch.testing.assert_close(vector.grad, torch.tensor([[2.0, -4.0, 2.0]]).expand(2, 3))


def test_angle_of_a_rotation() -> None:
    axis = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    for angle in (0.0, 0.5, 2.0, pi):
        assert float(rotation_angle(vector_to_matrix(angle * axis))) == pytest.approx(angle, abs=1e-6)


def test_random_rotations_are_uniform() -> None:
    matrix = random_rotations(4000, generator=torch.Generator().manual_seed(1))
    assert bool(is_rotation(matrix, tolerance=1e-9).all())
    assert float(matrix.mean(0).abs().max()) < 0.03
    # density of the angle is (1 - cos a) / pi, so its mean is pi / 2 + 2 / pi
    assert float(rotation_angle(matrix).mean()) == pytest.approx(pi / 2 + 2 / pi, abs=0.03)
    again = random_rotations(4000, generator=torch.Generator().manual_seed(1))
    assert torch.equal(matrix, again)


def test_what_is_not_a_rotation_is_told() -> None:
    good = torch.eye(3)
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0]))
    nan = torch.full((3, 3), float("nan"))
    infinite = torch.full((3, 3), float("inf"))
    matrices = torch.stack([good, mirror, 1.1 * good, nan, infinite, torch.zeros(3, 3)])
    assert is_rotation(matrices).tolist() == [True, False, False, False, False, False]


def test_nearest_rotation_undoes_noise_and_is_proper() -> None:
    """A rotation among noisy arms is found, and a reflection is never given, as by an independent program."""
    generator = torch.Generator().manual_seed(4)
    arms = torch.randn(5, 30, 3, generator=generator, dtype=torch.float64)
    truth = random_rotations(5, generator=generator).double()
    turned = arms @ truth.mT + 0.05 * torch.randn(arms.shape, generator=generator, dtype=torch.float64)
    turned[0] = -arms[0]  # best matched by a reflection
    found = nearest_rotation(turned.mT @ arms)
    assert bool(is_rotation(found).all())
    for ours, here, there in zip(found, arms, turned, strict=True):
        expected = Rotation.align_vectors(there.numpy(), here.numpy())[0].as_matrix()
        torch.testing.assert_close(ours, torch.as_tensor(expected))
    assert float(rotation_angle(found[1:] @ truth[1:].mT).max()) < 0.05


def test_vectors_of_half_turns_come_back_as_the_same_matrix() -> None:
    matrix = vector_to_matrix(torch.tensor([[0.0, 0.0, torch.pi], [3.0, 0.9, 0.0]]).double())
    torch.testing.assert_close(vector_to_matrix(matrix_to_vector(matrix)), matrix)
