"""All that is asked of latents alone, of any program, against a truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import spearmanr

from trimorph.core.label_agreement import LabelMatch, match_labels
from trimorph.data.angles import circular_correlation
from trimorph.data.truth import Truth
from trimorph.evaluation.circular import latent_angle, neighbour_angle_correlation
from trimorph.evaluation.motion_scores import MotionScores, score_motion
from trimorph.evaluation.neighbourhoods import (
    Neighbours,
    information_imbalance,
    kept_by_chance,
    kept_neighbours,
)
from trimorph.evaluation.populations import mover_on_circle, mover_on_line, share_moved
from trimorph.evaluation.recovery import clusters, latent_correlation, neighbour_means
from trimorph.evaluation.straight import best_direction, rank_correlation
from trimorph.evaluation.truth_spaces import nuisance_spaces, ordered, rows_of, sortable, state_space

FOLDS, ESTIMATE_FROM = 5, 30
"""Of the particles whose neighbours tell a coordinate, and the neighbours that tell it."""

COMPARED = 2000
"""Particles among which neighbourhoods are compared, spread evenly over the data."""

IMBALANCE_NEIGHBOURS, KEPT_SHARE = 30, 0.05
"""Nearest neighbours that imbalances are averaged over, and the share of all that is a neighbourhood."""

MOST = 20_000
"""Particles that are asked at most, spread evenly over the data."""


@dataclass(frozen=True, eq=False)
class LatentScores:
    """Scores by name, and what pictures are drawn of.

    ``match`` is the best matching of clusters with states, for truths that images can be sorted by;
    ``estimate`` and ``true`` (m,) are coordinates as neighbours tell them and as they were.
    """

    values: dict[str, float]
    match: LabelMatch | None = None
    estimate: Float[ndarray, " m"] | None = None
    true: Float[ndarray, " m"] | None = None
    blind: dict[str, float] = field(default_factory=dict)


def score_latents(z: Float[ndarray, "n d"], truth: Truth) -> LatentScores:
    """Score latents against the truth of the same images, row by row: docs/evaluation.md has the formulas.

    ``blind`` holds what is known without any latents: by chance, or exactly.
    """
    rows = spread(len(z), MOST)
    z, truth = np.asarray(z, np.float64)[rows], rows_of(truth, rows)
    values: dict[str, float] = {}
    match = estimate = None
    if ordered(truth) and len(z) >= FOLDS:
        estimate = estimate_coordinate(z, truth)
        values |= _coordinate_scores(z, truth, estimate)
    if sortable(truth):
        match = match_labels(clusters(z, len(np.unique(truth.state))), truth.state)
        values |= _class_scores(match, with_population=not ordered(truth))
    if truth.motion is not None:
        values |= motion_values(score_motion(z, truth))
    near, blind = neighbourhood_scores(z, truth)
    true = None if estimate is None else truth.coordinate
    return LatentScores(values | near, match, estimate, true, blind)


def spread(count: int, most: int) -> Int[ndarray, " m"]:
    """Numbers of all of ``count`` rows, or of ``most`` spread evenly over them.

    >>> spread(10, 4).tolist()
    [0, 3, 6, 9]
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def estimate_coordinate(z: Float[ndarray, "n d"], truth: Truth) -> Float[ndarray, " n"]:
    """Coordinate of each particle as its nearest neighbours in the latent space tell it, their own known.

    The mean over 30 neighbours among the particles of the other four fifths; of angles, the mean direction,
    within [0, 2 pi).
    """
    value = truth.coordinate
    known = np.stack([np.cos(value), np.sin(value)], axis=1) if truth.circular else value[:, None]
    mean = neighbour_means(z, known, neighbours=ESTIMATE_FROM, folds=FOLDS)
    return np.arctan2(mean[:, 1], mean[:, 0]) % (2 * np.pi) if truth.circular else mean[:, 0]


def neighbourhood_scores(z: Float[ndarray, "n d"], truth: Truth) -> tuple[dict[str, float], dict[str, float]]:
    """Neighbourhoods kept and information imbalances, and the part of them that is known without latents."""
    rows = spread(len(z), COMPARED)
    if len(rows) < 3:
        return {}, {}
    part = rows_of(truth, rows)
    latent = Neighbours.of(z[rows])
    few = min(IMBALANCE_NEIGHBOURS, len(rows) - 1)
    values: dict[str, float] = {}
    blind: dict[str, float] = {}
    spaces = nuisance_spaces(part)
    true = state_space(part)
    if true is not None:
        known = Neighbours.of(true)
        many = max(1, round(KEPT_SHARE * (len(rows) - 1)))
        values["kept_neighbours"] = kept_neighbours(latent, known, neighbours=many)
        blind["kept_neighbours"] = kept_by_chance(known, neighbours=many)
        spaces = {"truth": true, **spaces}
    for name, space in spaces.items():
        other = known if name == "truth" else Neighbours.of(space)
        for way, pair in (("to", (latent, other)), ("from", (other, latent))):
            values[f"imbalance_{way}_{name}"] = information_imbalance(*pair, neighbours=few)
            blind[f"imbalance_{way}_{name}"] = 1.0
    return values, blind


def motion_values(found: MotionScores) -> dict[str, float]:
    """The scores where something moved, of latents, by name."""
    values: dict[str, float] = {}
    if found.line is not None:
        values |= {"shown_correlation": found.line.shown_correlation, "position_error": found.line.error}
        values["slope_bias"] = found.line.slope_bias
    if found.circle is not None:
        values |= {
            "shown_correlation": found.circle.shown_correlation,
            "angle_error": found.circle.error,
            "shown_angle_error": found.circle.shown_error,
        }
    if found.composition is not None:
        values["composition_auc"] = found.composition.auc
        values["composition_correlation"] = min(found.composition.correlation)
    return values


def _coordinate_scores(
    z: Float[ndarray, "n d"], truth: Truth, estimate: Float[ndarray, " n"]
) -> dict[str, float]:
    value = truth.coordinate
    if truth.circular:
        return {
            "angle_correlation": abs(circular_correlation(latent_angle(z, value), value)),
            "neighbour_correlation": neighbour_angle_correlation(z, value),
            "population_error": mover_on_circle(estimate, value),
        }
    varies = np.ptp(z, axis=0).any() and np.ptp(estimate)
    return {
        "component_correlation": latent_correlation(z, value),
        "direction_correlation": rank_correlation(z @ best_direction(z, value), value),
        "neighbour_correlation": float(spearmanr(estimate, value).statistic) if varies else 0.0,
        "population_error": mover_on_line(estimate, value),
    }


def _class_scores(match: LabelMatch, *, with_population: bool) -> dict[str, float]:
    values = {"accuracy": match.agreement, "adjusted_rand": match.adjusted_rand}
    if with_population:
        sizes = match.table.sum(1)[match.pairs[:, 0]], match.table.sum(0)[match.pairs[:, 1]]
        values["population_error"] = share_moved(*(size.astype(np.float64) for size in sizes))
    return values
