"""Scores of latents where something turned all the way round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from trimorph.data.angles import angular_difference, circular_correlation
from trimorph.evaluation.recovery import component_scores, neighbour_means


@dataclass(frozen=True)
class CircleScores:
    """How well latents know an angle.

    ``correlation`` is |circular correlation| of :func:`latent_angle` with the true angle and ``error`` the
    median of their difference in radians after the best rotation and reflection, over all particles;
    ``shown_correlation`` and ``shown_error`` are those over the particles whose views show the motion, by
    the same angles.
    """

    correlation: float
    shown_correlation: float
    error: float
    shown_error: float


def score_circle(
    z: Float[ndarray, "n d"], angle: Float[ndarray, " n"], shown: Bool[ndarray, " n"]
) -> CircleScores:
    """Score latents against angles in radians; ``shown`` tells which views show the motion."""
    found = align_angles(latent_angle(z, angle), angle)
    error = np.abs(angular_difference(found, angle))
    return CircleScores(
        correlation=abs(circular_correlation(found, angle)),
        shown_correlation=abs(circular_correlation(found[shown], angle[shown])),
        error=float(np.median(error)),
        shown_error=float(np.median(error[shown])) if shown.any() else float("nan"),
    )


def latent_angle(z: Float[ndarray, "n d"], angle: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Angle of each latent in the plane, and about the centre, that suit the true angles best.

    Of two planes the better by |circular correlation|: the first two principal components in units of their
    standard deviations, about the mean; or that in which least squares predicts cos and sin of the angle.

    >>> angle = np.linspace(0, 6, 60)
    >>> ellipse = np.stack([0.3 * np.sin(angle), 5 + np.cos(angle), 0 * angle], axis=1)
    >>> round(abs(circular_correlation(latent_angle(ellipse, angle), angle)), 3)
    1.0
    """
    target = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    affine = np.concatenate([z, np.ones((len(z), 1))], axis=1)
    fitted = affine @ np.linalg.lstsq(affine, target, rcond=1e-10)[0]
    planes = [fitted]
    if z.shape[1] > 1:
        plane = component_scores(z)[:, :2]
        planes.append(plane / np.maximum(plane.std(0), 1e-300))
    angles = [np.arctan2(plane[:, 1], plane[:, 0]) for plane in planes]
    return max(angles, key=lambda found: abs(circular_correlation(found, angle)))


def align_angles(found: Float[ndarray, " n"], angle: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Turn angles, reflected or not, to the largest mean cosine of their difference from the true ones.

    >>> angle = np.linspace(0, 6, 60)
    >>> bool(np.abs(angular_difference(align_angles(2.0 - angle, angle), angle)).max() < 1e-9)
    True
    """
    means = {sign: np.mean(np.exp(1j * (angle - sign * found))) for sign in (1, -1)}
    sign = max(means, key=lambda each: abs(means[each]))
    return np.asarray(sign * found + np.angle(means[sign]))


def neighbour_angle_correlation(z: Float[ndarray, "n d"], angle: Float[ndarray, " n"]) -> float:
    """Circular correlation of an angle with the direction of its mean over the nearest neighbours.

    As :func:`neighbour_correlation`, for angles all round a circle.
    """
    if not np.ptp(z, axis=0).any():
        return 0.0
    mean = neighbour_means(z, np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return circular_correlation(np.arctan2(mean[:, 1], mean[:, 0]), angle)
