"""Point groups C and D: their rotations, and the asymmetric unit around a direction."""

from __future__ import annotations

import re

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.core.rotations import vector_to_matrix

_GROUP = re.compile(r"([CD])([1-9]\d*)")
MOST = 100
"""Largest fold of an axis."""


def symmetry_rotations(group: str) -> Float[Tensor, "s 3 3"]:
    """Rotations of a point group in the frame of the object, the identity first, in double precision.

    C1, C2, ...: by 2 pi k / n about z. D1, D2, ...: these, and each after half a turn about x, which are half
    turns about axes in the xy plane. If the object is unchanged by S_k, its image at R is that at R S_k.

    Errors: InputError for another name. Source: RELION's conventions (main axis along z, second along x).

    >>> symmetry_rotations("D2").diagonal(dim1=1, dim2=2).round().int().tolist()
    [[1, 1, 1], [-1, -1, 1], [1, -1, -1], [-1, 1, -1]]
    """
    kind, fold = _parsed(group)
    angle = 2 * torch.pi * torch.arange(fold, dtype=torch.float64) / fold
    about_z = vector_to_matrix(angle[:, None] * torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    if kind == "C":
        return about_z
    half_turn = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    return torch.cat([about_z, about_z @ half_turn])


def symmetry_order(group: str) -> int:
    """Number of rotations of a point group: n of Cn, 2 n of Dn.

    >>> symmetry_order("C1"), symmetry_order("d3")
    (1, 6)
    """
    kind, fold = _parsed(group)
    return fold if kind == "C" else 2 * fold


def unit_direction(group: str) -> tuple[float, float, float]:
    """Direction around which a group's asymmetric unit is taken by default: x, above the plane for Dn."""
    kind, _ = _parsed(group)
    return (1.0, 0.0, 0.0) if kind == "C" else (1.0, 0.0, 1.0)


def asymmetric_unit(
    place: Float[Tensor, "*p 3"], group: str, *, direction: tuple[float, float, float], edge: float
) -> Float[Tensor, "*p"]:
    """How far places (Å) belong to the asymmetric unit around a direction: 1 in it, 0 in its copies.

    The unit holds what is nearer in angle to the direction u than to its copies S_k u: the points beyond the
    planes through the origin that part them. Across these it falls to 0 over ``edge`` Å, 1/2 on the plane.

    Errors: InputError where the direction is zero or lies on an axis, where it is its own copy.

    >>> x = torch.tensor([[5.0, 0.0, 0.0], [-5.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    >>> asymmetric_unit(x, "C2", direction=(1.0, 0.0, 0.0), edge=1.0).tolist()
    [1.0, 0.0, 0.5]
    """
    rotations = symmetry_rotations(group)
    u = torch.tensor(direction, dtype=torch.float64)
    length = float(u.norm())
    across = u - rotations[1:] @ u
    if not length > 0 or (len(across) and float(across.norm(dim=1).min()) < 1e-3 * length):
        said = " ".join(f"{value:g}" for value in direction)
        raise InputError(
            f"Symmetry {group}: found the direction {said} for the asymmetric unit; wanted one that is not "
            "zero and on none of the group's axes, as its copies have to lie elsewhere. Pass another."
        )
    if not len(across):
        return torch.ones_like(place[..., 0])
    normal = torch.nn.functional.normalize(across, dim=1).to(place)
    distance = (place @ normal.T).amin(-1)
    return (0.5 + distance / edge).clamp(0, 1)


def _parsed(group: str) -> tuple[str, int]:
    match = _GROUP.fullmatch(group.strip().upper())
    if match is None or int(match[2]) > MOST:
        raise InputError(
            f'Found the symmetry "{group}"; wanted C or D and the fold of the axis along z, 1 to {MOST}, as '
            "in C1, C3 or D2. For other groups (T, O, I), choose a subgroup of these."
        )
    return match[1], int(match[2])
