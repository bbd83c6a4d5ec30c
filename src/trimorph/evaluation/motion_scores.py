"""All scores where something moved, of latents and of maps, and what the best of methods would get."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.truth import Truth
from trimorph.evaluation.circular import CircleScores, score_circle
from trimorph.evaluation.composition import CompositionScores, score_composition
from trimorph.evaluation.mover import Decoder, MoverScores, score_mover
from trimorph.evaluation.straight import LineScores, score_line
from trimorph.evaluation.views import motion_of, shown


@dataclass(frozen=True)
class MotionScores:
    """Scores of the latents by what moved, on a line or a circle, of compositions and of maps; else None."""

    line: LineScores | None
    circle: CircleScores | None
    composition: CompositionScores | None
    mover: MoverScores | None


def score_motion(
    z: Float[ndarray, "n d"], truth: Truth, volume: Decoder | None = None, *, particles: int = 60
) -> MotionScores:
    """Score latents of all particles in order, and the maps ``volume`` decodes from them, of any program.

    Errors: InputError where the truth knows no motion, or the latents are not those of its particles.
    """
    motion, z = motion_of(truth), np.asarray(z, np.float64)
    if len(z) != len(truth) or not np.isfinite(z).all():
        raise InputError(
            f"Latents: found {len(z)} for {len(truth)} particles, {int((~np.isfinite(z)).any(axis=1).sum())} "
            "of them not finite; wanted one finite latent a particle. Pass those of all particles, in order."
        )
    visible, composition = shown(truth), truth.composition
    parts = None
    if composition is not None and np.ptp(composition) > 0:
        parts = score_composition(z, composition, truth.coordinate)
    return MotionScores(
        line=None if motion.circular else score_line(z, truth.coordinate, visible),
        circle=score_circle(z, truth.coordinate, visible) if motion.circular else None,
        composition=parts,
        mover=None if volume is None else score_mover(z, volume, truth, particles=particles),
    )


def informed_latents(truth: Truth) -> Float[ndarray, "n d"]:
    """Latents of an observer who knows all but the states: scored like any others they give the ceiling.

    The expected position, or the means of cos and sin of the angle; and where there are compositions, the
    logarithm of the odds of the second, as far as single precision tells it. They need ``state_probability``.
    """
    if truth.state_probability is None:
        raise InputError(
            f"Truth of {truth.source}: found no probabilities of the states; wanted them. "
            "Simulate with --ceiling."
        )
    probability = truth.state_probability.astype(np.float64)
    if truth.circular:
        turned = probability @ np.exp(1j * truth.state_coordinate)
        columns = [turned.real, turned.imag]
    else:
        columns = [probability @ truth.state_coordinate]
    if truth.state_composition is not None and np.ptp(truth.state_composition):
        chance = probability[:, truth.state_composition == truth.state_composition.max()].sum(1)
        chance = np.clip(chance, 1e-7, 1 - 1e-7)
        columns.append(np.log(chance / (1 - chance)))
    return np.stack(columns, axis=1)
