"""A chart's only coordinate, measured by the way that the density goes along it.

The slowest function on a curve is flat at the curve's ends, where it makes particles seem to gather.

Letters: n particles, k modes, m landmarks, b bins.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.methods.latent_chart import LatentChart

BINS = 20
"""Groups of landmarks, along the coordinate, whose mean latents make the curve."""


def by_length(chart: LatentChart, mean: Float[ndarray, "n k"]) -> LatentChart:
    """The chart with its coordinate in proportion to the length of the curve of mean latents along it.

    Again of mean 0 and standard deviation 1, in the same order. Charts without or with more coordinates stay,
    and those of latents that are all alike.

    >>> angle = np.linspace(0, np.pi, 200)
    >>> slow = -np.cos(angle)[:, None]
    >>> chart = LatentChart(np.arange(200), slow / slow.std(), 0.0)
    >>> found = by_length(chart, angle[:, None]).coordinate[:, 0]
    >>> bool(np.allclose(found, (angle - angle.mean()) / angle.std(), atol=0.02))
    True
    """
    if chart.coordinate.shape[1] != 1:
        return chart
    order = np.argsort(chart.coordinate[:, 0], kind="stable")
    groups = np.array_split(order, BINS)
    x = np.asarray(mean, np.float64)[chart.landmark]
    curve = np.array([x[group].mean(0) for group in groups])
    step = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    if not step.any():
        return chart
    # the outer groups go on as far beyond their middles as towards the next
    at = np.concatenate([[-0.5 * step[0]], np.cumsum([0.0, *step]), [step.sum() + 0.5 * step[-1]]])
    middle = np.concatenate([[0.0], np.arange(0.5, BINS) / BINS, [1.0]])
    length = np.empty(len(order))
    length[order] = np.interp((np.arange(len(order)) + 0.5) / len(order), middle, at)
    length = length - length.mean()
    return replace(chart, coordinate=(length / length.std())[:, None])
