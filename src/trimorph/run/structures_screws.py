"""Screws: the rigid motions of segments as axis, angle, hinge and shift.

Letters: v latents, s segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.methods.structure_method import RigidMotion

LEAST_ANGLE = 1.0
"""Degrees below which a turn has no hinge: it would lie anywhere."""


@dataclass(frozen=True, eq=False)
class Screws:
    """Motions of segments from the start, each a turn about an axis (unit vector) and a shift.

    ``angle`` in degrees from 0 to 180, right-handed about ``axis``, which is zero where nothing turns.
    ``shift`` in Å is that of the segment's centre. ``turn`` is the angle about the segment's main axis,
    with a sign: what of the rotation vector lies along it. ``hinge`` in Å is the point of the screw axis
    nearest to the segment's centre, NaN for angles below LEAST_ANGLE, in the frame of ``centre``, and
    ``slide`` in Å is what goes along the axis. ``occupancy`` is 1 at the start.
    """

    axis: Float[ndarray, "v s 3"]
    angle: Float[ndarray, "v s"]
    turn: Float[ndarray, "v s"]
    shift: Float[ndarray, "v s 3"]
    hinge: Float[ndarray, "v s 3"]
    slide: Float[ndarray, "v s"]
    occupancy: Float[ndarray, "v s"]

    def __len__(self) -> int:
        return len(self.angle)

    @classmethod
    def of(cls, motion: RigidMotion, main: Float[ndarray, "s 3"], *, middle: Float[ndarray, " 3"]) -> Screws:
        """The screws of motions; ``main`` are the segments' main axes, ``middle`` (Å) is added to hinges.

        With the rotation of angle a about n at the centre c and its shift t, the point
        c + (t' + cot(a/2) n x t') / 2 of the screw axis stays on it, where t' is t across n.
        """
        vector, shift, centre = (
            part.detach().double().numpy() for part in (motion.turn, motion.shift, motion.centre)
        )
        vector = principal_turn(vector)
        length = np.linalg.norm(vector, axis=-1, keepdims=True)
        axis = vector / np.maximum(length, 1e-300)
        slide = (shift * axis).sum(-1)
        across = shift - slide[..., None] * axis
        with np.errstate(divide="ignore", invalid="ignore"):
            arm = 0.5 * (across + np.cross(axis, across) / np.tan(0.5 * length))
        angle = np.rad2deg(length[..., 0])
        hinge = np.where(angle[..., None] < LEAST_ANGLE, np.nan, centre + middle + arm)
        return cls(
            axis=axis,
            angle=angle,
            turn=np.rad2deg((vector * main).sum(-1)),
            shift=shift,
            hinge=hinge,
            slide=slide,
            occupancy=motion.occupancy.detach().double().numpy(),
        )


def principal_turn(vector: Float[ndarray, "v s 3"]) -> Float[ndarray, "v s 3"]:
    """Rotation vectors of the same rotations by angles of at most 180 degrees.

    >>> (principal_turn(np.array([[[0.0, 0.0, 1.5 * np.pi]]]))[0, 0, 2] / np.pi).item()
    -0.5
    """
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    wrapped = length - 2 * np.pi * np.round(length / (2 * np.pi))
    return vector * wrapped / np.maximum(length, 1e-300)


def main_axes(motion: RigidMotion) -> Float[ndarray, "s 3"]:
    """Unit vectors along which most of each segment's turns lie; the mean turn about them is not negative.

    Segments that do not turn have z.
    """
    vector = principal_turn(motion.turn.detach().double().numpy())
    _, vectors = np.linalg.eigh(np.einsum("vsi,vsj->sij", vector, vector))
    axis = vectors[..., -1]
    mean = (vector.mean(0) * axis).sum(-1)
    largest = np.take_along_axis(axis, np.abs(axis).argmax(-1)[:, None], axis=-1)[:, 0]
    axis = axis * np.where(np.where(np.abs(mean) > 1e-9, mean, largest) < 0, -1.0, 1.0)[:, None]
    return np.where((np.abs(vector).max((0, 2)) > 0)[:, None], axis, np.array([0.0, 0.0, 1.0]))
