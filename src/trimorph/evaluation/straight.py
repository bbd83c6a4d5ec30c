"""Scores of latents where something moved on a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import rankdata, spearmanr


@dataclass(frozen=True)
class LineScores:
    """How well latents know a position on a line.

    ``correlation`` is |Spearman| along the best latent direction over all particles, ``shown_correlation``
    that along the same direction over those whose views show the motion. ``error`` in Å and ``slope_bias``
    are of the positions that :func:`monotone_estimate` reads off, over all.
    """

    correlation: float
    shown_correlation: float
    error: float
    slope_bias: float


def score_line(
    z: Float[ndarray, "n d"], position: Float[ndarray, " n"], shown: Bool[ndarray, " n"]
) -> LineScores:
    """Score latents against positions in Å; ``shown`` tells which views show the motion.

    >>> position = np.linspace(0, 60, 100)
    >>> found = score_line(np.stack([position**2, 0 * position], axis=1), position, position > 0)
    >>> round(found.correlation, 6), round(abs(found.slope_bias), 6)
    (1.0, 0.0)
    """
    along = z @ best_direction(z, position)
    estimate = monotone_estimate(along, position)
    return LineScores(
        correlation=rank_correlation(along, position),
        shown_correlation=rank_correlation(along[shown], position[shown]),
        error=float(np.sqrt(np.mean((estimate - position) ** 2))),
        slope_bias=slope_bias(estimate, position),
    )


def best_direction(z: Float[ndarray, "n d"], position: Float[ndarray, " n"]) -> Float[ndarray, " d"]:
    """Unit vector of the latent space along which |Spearman| with a position is best.

    Candidates are the principal axes, and the direction along which least squares predicts the ranks of the
    positions, so that the scale and turn of the latents do not matter. It is found with the truth: n latents
    without any knowledge would reach about sqrt(d / n).
    """
    centred = z - z.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    rank = rankdata(position)
    fitted = np.linalg.lstsq(centred, rank - rank.mean(), rcond=1e-10)[0]
    length = np.linalg.norm(fitted)
    candidates = [*axes, *([fitted / length] if length > 0 else [])]
    found = [rank_correlation(centred @ candidate, position) for candidate in candidates]
    return np.asarray(candidates[int(np.argmax(found))])


def rank_correlation(a: Float[ndarray, " n"], b: Float[ndarray, " n"]) -> float:
    """|Spearman| of two series; 0 where either does not vary."""
    if len(a) < 2 or not (np.ptp(a) and np.ptp(b)):
        return 0.0
    return abs(float(spearmanr(a, b).statistic))


def monotone_estimate(along: Float[ndarray, " n"], position: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Positions read off a latent coordinate by the monotone curve, up or down, nearest to the true ones."""
    from sklearn.isotonic import IsotonicRegression

    rank = rankdata(along)  # the curve depends on no more, and near ties do no harm
    fits = [IsotonicRegression(increasing=up).fit_transform(rank, position) for up in (True, False)]
    return np.asarray(min(fits, key=lambda fit: float(np.sum((fit - position) ** 2))))


def slope_bias(estimate: Float[ndarray, " n"], position: Float[ndarray, " n"]) -> float:
    """Slope of estimates over true positions, less one: -0.1 where a tenth of the motion's range is lost.

    >>> slope_bias(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0]))
    -0.5
    """
    offset = position - position.mean()
    return float(offset @ estimate / (offset @ offset) - 1)
