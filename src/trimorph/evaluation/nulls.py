"""Nulls: images in which nothing differs, drawn at the poses and CTFs of the particles, through the test.

Letters: d draws, k modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import stats

from trimorph.evaluation.validate_images import SeenImages
from trimorph.evaluation.validate_scores import Whitened
from trimorph.evaluation.validate_test import PairTest, linear_test, pair_test

NORMAL = 0.001
"""p of a test for normality below which the tail is not taken from a distribution, but counted."""


@dataclass(frozen=True, eq=False)
class Null:
    """What z is where nothing differs: values of all modes and draws, which are alike, in one list.

    ``normal`` is the p with which they come from a normal distribution (Shapiro and Wilk).
    """

    z: Float[ndarray, " d"]

    @property
    def normal(self) -> float:
        """The p of a test for normality."""
        return float(stats.shapiro(self.z).pvalue) if len(self.z) >= 8 and np.ptp(self.z) > 0 else 0.0

    @property
    def parametric(self) -> bool:
        """Whether the tail is that of a normal distribution with the draws' mean and deviation."""
        return self.normal >= NORMAL

    def p(self, z: Float[ndarray, " k"]) -> Float[ndarray, " k"]:
        """Probability of as much or more where nothing differs.

        Student's t of a new value of the same distribution, whose mean and deviation m draws tell; or, where
        these are not normal, the share of draws that reach it, which is 1 / (m + 1) at least. The
        deviation is not taken as less than 1, which it is for independent noise.

        >>> null = Null(np.random.default_rng(0).standard_normal(99))
        >>> bool(null.parametric), bool(null.p(np.array([8.0]))[0] < 1e-9)
        (True, True)
        """
        count = len(self.z)
        if not self.parametric:
            return (1 + (self.z[None] >= np.asarray(z)[:, None]).sum(1)) / (count + 1)
        spread = max(float(self.z.std(ddof=1)), 1.0) * np.sqrt(1 + 1 / count)
        return np.asarray(stats.t.sf((z - self.z.mean()) / spread, count - 1))


@dataclass(frozen=True, eq=False)
class NullDraws:
    """Tests of redrawn images: of modes that were found anew in each, and of modes that a model has."""

    linear: tuple[PairTest, ...]
    given: tuple[PairTest, ...]

    @property
    def null(self) -> Null:
        """All z of all draws."""
        return Null(np.concatenate([test.z for test in (*self.linear, *self.given)]))


def draw_nulls(
    images: SeenImages,
    linear: PairTest,
    given: PairTest | None,
    *,
    count: int,
    modes: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> NullDraws:
    """Redraw the images from their mean map alone, so often, and put them through the same test.

    Poses, CTFs, shifts and the power of the noise are those of each particle. Of redrawn images the mean is
    back-projected anew, and modes are found anew in both halves. Those of a model, ``given``, stay: they know
    nothing of the half that they are tested on, nor of what is drawn.
    """
    state = np.zeros(len(images), dtype=np.int64)
    found: list[PairTest] = []
    of_model: list[PairTest] = []
    for number in range(count):
        drawn = images.drawn(linear.mean[None], state, seed=seed + 7919 * (number + 1))
        test, seen = linear_test(drawn, modes=modes, shuffles=0, seed=seed + number + 1)
        found.append(test)
        if given is not None:
            of_model.append(_again(seen, given, test, seed=seed + number + 1))
        if progress is not None:
            progress(number + 1, count)
    return NullDraws(tuple(found), tuple(of_model))


def holm(p: Float[ndarray, " k"]) -> Float[ndarray, " k"]:
    """p-values corrected for their number, so that one false alarm among all has the probability quoted.

    Source: Holm, Scandinavian J. Statistics 6 (1979) 65.

    >>> holm(np.array([0.04, 0.01, 0.5])).tolist()
    [0.08, 0.03, 0.5]
    """
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]).clip(max=1.0)
    corrected = np.empty(len(p))
    corrected[order] = raised
    return corrected


def mode_p(test: PairTest, null: Null) -> tuple[Float[ndarray, " k"], Float[ndarray, " k"]]:
    """The p of each mode of half set 1 against redrawn images, and against shuffles within bins of views.

    Both are the larger one of two: that of the mode for the images of half set 2, and that of the mode of
    half set 2 which is most like it for the images of half set 1.
    """
    first, second = test.sides
    redrawn = np.maximum(null.p(first.z), null.p(second.z)[first.alike])
    return redrawn, np.maximum(first.shuffled, second.shuffled[first.alike])


def real_modes(test: PairTest, null: Null, *, level: float) -> Bool[ndarray, " k"]:
    """Which modes pass both nulls, corrected for their number."""
    return holm(np.maximum(*mode_p(test, null))) < level


def _again(seen: Whitened, given: PairTest, test: PairTest, *, seed: int) -> PairTest:
    """The test of modes that stay, on redrawn images."""
    first, second = (side.modes for side in given.sides)
    return pair_test(seen, (first, second), mean=test.mean, shuffles=0, seed=seed)
