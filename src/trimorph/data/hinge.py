"""A hinge: part of a structure turned about an axis through a pivot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from trimorph.core.errors import InputError
from trimorph.data.structure import Structure


def turn(
    structure: Structure,
    moving: NDArray[np.bool_],
    *,
    angle: float,
    axis: NDArray[np.float64],
    pivot: NDArray[np.float64],
) -> Structure:
    """Turn the ``moving`` atoms by ``angle`` radians about ``axis`` through ``pivot`` (Å), right-handed.

    >>> from trimorph.data.pseudo_complex import pseudo_complex
    >>> whole = pseudo_complex()
    >>> axis, pivot = natural_hinge(whole, whole.chain == "B")
    >>> half = turn(whole, whole.chain == "B", angle=0.5, axis=axis, pivot=pivot)
    >>> back = turn(half, whole.chain == "B", angle=-0.5, axis=axis, pivot=pivot)
    >>> bool(np.allclose(back.position, whole.position))
    True
    """
    rotation = Rotation.from_rotvec(angle * np.asarray(axis, float) / np.linalg.norm(axis))
    position = structure.position.copy()
    position[moving] = rotation.apply(position[moving] - pivot) + pivot
    return structure.move(position)


def natural_hinge(
    structure: Structure, moving: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Axis and pivot of the bend that a moving part invites.

    The pivot is the middle of the contact: of the atoms of either part nearest to the other. The axis is
    normal to the plane of the pivot and the two parts' centres; where these lie on a line, it is normal to
    that line.
    """
    if moving.all() or not moving.any():
        raise InputError(
            f"Hinge: the selection holds {int(moving.sum())} of {len(structure)} atoms; wanted a part of the "
            "structure, so that the rest stays. Select fewer or more residues to move."
        )
    arm, rest = structure.position[moving], structure.position[~moving]
    pivot = 0.5 * (_nearest_to(arm, rest) + _nearest_to(rest, arm))
    along, across = arm.mean(0) - pivot, rest.mean(0) - pivot
    axis = np.cross(across, along)
    if np.linalg.norm(axis) < 0.05 * np.linalg.norm(along) * np.linalg.norm(across):
        axis = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
    return axis / np.linalg.norm(axis), pivot


def _nearest_to(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    distance = cKDTree(others).query(points)[0]
    return points[distance <= np.sort(distance)[min(9, len(points) - 1)]].mean(0)
