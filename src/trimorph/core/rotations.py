"""Rotations: Euler angles, rotation vectors, uniform sampling, validity."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation
from torch import Tensor


def euler_to_matrix(euler: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Rotation matrices from RELION's (rot, tilt, psi) in radians.

    R = Rz(psi) Ry(tilt) Rz(rot), passive: Rz(a) = [[cos a, sin a, 0], [-sin a, cos a, 0], [0, 0, 1]].
    Source: RELION's Euler_angles2matrix.

    >>> euler_to_matrix(torch.tensor([0.0, 0.0, torch.pi / 2])).round().int().tolist()
    [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
    """
    (sr, st, sp), (cr, ct, cp) = torch.sin(euler).unbind(-1), torch.cos(euler).unbind(-1)
    rows = [
        [cp * ct * cr - sp * sr, cp * ct * sr + sp * cr, -cp * st],
        [-sp * ct * cr - cp * sr, -sp * ct * sr + cp * cr, sp * st],
        [st * cr, st * sr, ct],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def matrix_to_euler(rotation: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3"]:
    """RELION's (rot, tilt, psi) in radians; at tilt 0 or pi, rot is 0.

    >>> euler = torch.tensor([0.3, 1.2, -2.0])
    >>> torch.allclose(matrix_to_euler(euler_to_matrix(euler)), euler, atol=1e-6)
    True
    """
    sine = torch.hypot(rotation[..., 2, 0], rotation[..., 2, 1])
    tilt = torch.atan2(sine, rotation[..., 2, 2])
    regular = sine > 1e-6
    rot = torch.where(regular, torch.atan2(rotation[..., 2, 1], rotation[..., 2, 0]), torch.zeros_like(tilt))
    psi_regular = torch.atan2(rotation[..., 1, 2], -rotation[..., 0, 2])
    psi_polar = torch.atan2(-rotation[..., 1, 0] * rotation[..., 2, 2], rotation[..., 1, 1])
    return torch.stack([rot, tilt, torch.where(regular, psi_regular, psi_polar)], dim=-1)


def vector_to_matrix(vector: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Rotation matrices expm([vector]_x) from rotation vectors (axis times angle in radians)."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    return torch.linalg.matrix_exp(cross)


def matrix_to_vector(rotation: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3"]:
    """Rotation vectors of at most pi, the inverse of :func:`vector_to_matrix`; without a gradient.

    >>> vector = torch.tensor([[0.3, -1.2, 2.0], [0.0, 0.0, 0.0]])
    >>> bool(torch.allclose(matrix_to_vector(vector_to_matrix(vector)), vector, atol=1e-5))
    True
    """
    matrix = rotation.detach().double().cpu().reshape(-1, 3, 3).numpy()
    vector = torch.as_tensor(Rotation.from_matrix(matrix).as_rotvec())
    return vector.to(rotation).reshape(rotation.shape[:-1])


def nearest_rotation(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """The proper rotation R with the largest trace of R^T M, which turns one set of arms onto another.

    M = U S V^T gives U diag(1, 1, |U V^T|) V^T.   Source: Kabsch, Acta Cryst. A 32 (1976) 922.
    """
    left, _, right = torch.linalg.svd(matrix)
    proper = torch.ones_like(matrix[..., 0])
    proper[..., 2] = torch.linalg.det(left @ right)
    return left * proper[..., None, :] @ right


def random_rotations(count: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "b 3 3"]:
    """Rotations drawn uniformly from SO(3), in double precision.

    >>> bool(is_rotation(random_rotations(5, generator=torch.Generator().manual_seed(0))).all())
    True
    """
    quaternion = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    axis, cosine = quaternion[:, :3], quaternion[:, 3:]
    sine = axis.norm(dim=-1, keepdim=True)
    return vector_to_matrix(2 * torch.atan2(sine, cosine) * axis / sine)


def rotation_angle(rotation: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """Angle of rotation in radians, from 0 to pi."""
    sine = 0.5 * torch.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        dim=-1,
    ).norm(dim=-1)
    cosine = 0.5 * (rotation.diagonal(dim1=-2, dim2=-1).sum(-1) - 1)
    return torch.atan2(sine, cosine)


def is_rotation(matrix: Float[Tensor, "*b 3 3"], *, tolerance: float = 1e-3) -> Bool[Tensor, "*b"]:
    """Whether R R^T = 1 and det R = +1 within ``tolerance``; false where a value is not finite."""
    deviation = (matrix @ matrix.mT - torch.eye(3).to(matrix)).abs().amax(dim=(-2, -1))
    return (deviation < tolerance) & (torch.linalg.det(torch.nan_to_num(matrix)) > 0)
