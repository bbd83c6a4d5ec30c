"""The learning rate's course over a run: a linear rise, then half a cosine."""

from __future__ import annotations

from math import cos, pi


def learning_rate_factor(step: int, *, steps: int, warm_up: float, final: float) -> float:
    """What peak learning rates are multiplied by at a step (0-based) of a run of ``steps``.

    Over the first ``warm_up`` of the steps the factor rises linearly to 1, then it falls as
    final + (1 - final) (1 + cos pi t) / 2 while t runs from 0 to 1.

    >>> [round(learning_rate_factor(s, steps=12, warm_up=0.17, final=0.1), 2) for s in (0, 1, 2, 7, 12)]
    [0.5, 1.0, 1.0, 0.55, 0.1]
    """
    rise = round(warm_up * steps)
    if step < rise:
        return (step + 1) / rise
    t = (step - rise) / max(steps - rise, 1)
    return final + (1 - final) * 0.5 * (1 + cos(pi * t))
