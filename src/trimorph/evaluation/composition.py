"""Scores of latents where a part is present in some particles, whatever the position of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.evaluation.straight import best_direction, rank_correlation

_FOLDS = 5


@dataclass(frozen=True)
class CompositionScores:
    """How well latents know a composition, and a position beside it.

    ``auc`` is that of :func:`composition_auc`; ``correlation`` holds, for each composition, |Spearman| of the
    position along the latent direction that is best within it.
    """

    auc: float
    correlation: tuple[float, ...]


def score_composition(
    z: Float[ndarray, "n d"], composition: Int[ndarray, " n"], position: Float[ndarray, " n"]
) -> CompositionScores:
    """Score latents against two compositions and a position."""
    rows = [composition == number for number in np.unique(composition)]
    within = [rank_correlation(z[row] @ best_direction(z[row], position[row]), position[row]) for row in rows]
    return CompositionScores(composition_auc(z, composition), tuple(within))


def composition_auc(z: Float[ndarray, "n d"], composition: Int[ndarray, " n"], *, seed: int = 0) -> float:
    """How often the latents rank a particle with the part above one without: area under the ROC curve.

    Logistic regression on the latents, each scaled to unit variance, is fitted to four fifths of the
    particles and asked of the fifth; the mean of five. 0.5 is chance and 1 perfect separation by a plane.

    >>> z = np.linspace(-1, 1, 40)[:, None]
    >>> composition_auc(z, (z[:, 0] > 0).astype(int))
    1.0
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    present, number = np.unique(composition, return_counts=True)
    if len(present) != 2 or number.min() < _FOLDS:
        raise InputError(
            f"Composition: found {dict(zip(present.tolist(), number.tolist(), strict=True))} particles by "
            f"composition; wanted two of at least {_FOLDS} particles each. Simulate more particles."
        )
    label = composition == present[1]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    return float(cross_val_score(model, z, label, cv=folds, scoring="roc_auc").mean())
