"""Which views show a motion: one on a line is lost along it, one round a circle is two-fold edge-on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.motion import Motion
from trimorph.data.orientations import view_directions
from trimorph.data.truth import Truth

SHOWN = 0.3
"""Sine to a line's direction, or cosine to a circle's axis, above which a view is said to show the motion."""


def visibility(rotation: Float[ndarray, "n 3 3"], motion: Motion) -> Float[ndarray, " n"]:
    """How much of a motion each view shows, from 0 to 1: sin(view, line), or |view . axis| of a circle.

    A projection has no depth. Along the line it shows nothing, and of uniform views the share
    1 - sqrt(1 - s^2) lies below s. A circle seen edge-on looks the same at an angle and at its mirror image;
    of uniform views the share s lies below s.

    >>> line = Motion("line", np.array([0.0, 0, 1]), np.zeros((1, 3)), 12.0)
    >>> visibility(np.eye(3)[None], line).tolist()
    [0.0]
    """
    cosine = np.abs(view_directions(rotation) @ motion.direction)
    return cosine if motion.circular else np.sqrt(np.maximum(1 - cosine**2, 0))


def shown(truth: Truth) -> Bool[ndarray, " n"]:
    """The images whose views show the motion."""
    return visibility(truth.rotation, motion_of(truth)) > SHOWN


def motion_of(truth: Truth) -> Motion:
    """The motion of a truth, or an InputError where it has none."""
    if truth.motion is None:
        raise InputError(
            f"Truth of {truth.source}: found no motion; wanted the path of what moves, as the recipes "
            "linear, cyclic and mixed write it. Simulate one of them, or score with latent_correlation."
        )
    return truth.motion
