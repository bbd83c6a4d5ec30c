"""Ensemble: the states that a simulated data set is made of, and how often each occurs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.core.volume import AbstractVolume
from trimorph.data.motion import Motion
from trimorph.data.scattering import AtomicDensity
from trimorph.data.structure import Structure

CLASSES = "class number"
"""The quantity of states that are classes: their numbers have no order."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """k states: densities, names, weights (any scale), and the reaction coordinate of each.

    ``coordinate`` is what ``quantity`` says (an angle in radians, a fraction of the way, a class number).
    Where it is known, ``motion`` is the path of what moves, in the frame of the densities, and
    ``composition`` (k,) the number of each state's composition.
    """

    volumes: Sequence[AbstractVolume]
    names: tuple[str, ...]
    weights: NDArray[np.float64]
    coordinate: NDArray[np.float64]
    quantity: str
    motion: Motion | None = None
    composition: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        sizes = {len(self.volumes), len(self.names), len(self.weights), len(self.coordinate)}
        if len(sizes) != 1 or not (self.weights >= 0).all() or not self.weights.sum() > 0:
            raise InputError(
                f"Ensemble: found {len(self.volumes)} states with {len(self.names)} names and weights "
                f"{np.round(self.weights, 4).tolist()}; wanted one name and one weight >= 0 "
                "a state, not all zero."
            )

    def __len__(self) -> int:
        return len(self.volumes)


@dataclass(frozen=True, eq=False)
class StructureStates:
    """States given by structures in one frame, about ``origin`` (Å); the rest is as in :class:`Ensemble`.

    ``motion`` is in the frame of the structures.
    """

    structures: Sequence[Structure]
    names: tuple[str, ...]
    weights: NDArray[np.float64]
    coordinate: NDArray[np.float64]
    quantity: str
    origin: NDArray[np.float64]
    motion: Motion | None = None
    composition: NDArray[np.int64] | None = None

    @property
    def reach(self) -> float:
        """Distance in Å from the origin to the farthest atom of any state."""
        return max(
            float(np.linalg.norm(item.position - self.origin, axis=1).max()) for item in self.structures
        )

    def weigh(self, weights: Sequence[float]) -> StructureStates:
        """The same states in other proportions."""
        return replace(self, weights=np.asarray(weights, float))

    def ensemble(self, resolution: float) -> Ensemble:
        """The densities at a resolution in Å."""
        volumes = [
            AtomicDensity.of(item, resolution=resolution, origin=self.origin) for item in self.structures
        ]
        return Ensemble(
            volumes=volumes,
            names=self.names,
            weights=self.weights,
            coordinate=self.coordinate,
            quantity=self.quantity,
            motion=None if self.motion is None else self.motion.about(self.origin),
            composition=self.composition,
        )


def assign_states(
    weights: NDArray[np.float64], count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """State of each of ``count`` images: numbers within one of the weights' shares, order random.

    Where there are fewer images than states, those that get one are spread evenly.

    >>> states = assign_states(np.array([10.0, 15.0, 25.0]), 50, np.random.default_rng(0))
    >>> np.bincount(states).tolist()
    [10, 15, 25]
    """
    share = np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum() * count
    number = np.diff(np.floor(share + 0.5 + 1e-9).astype(np.int64))
    return generator.permutation(np.repeat(np.arange(len(weights)), number))


def mixture_weights(
    states: int, *, step: float, means: Sequence[float], deviation: float
) -> NDArray[np.float64]:
    """Share of each state when a mixture of equal Gaussians is binned to states and clipped at the ends.

    State i takes the values within half a ``step`` of i * step; the first and the last take all beyond.
    """
    from scipy.stats import norm

    edges = (np.arange(states + 1) - 0.5) * step
    edges[0], edges[-1] = -np.inf, np.inf
    cumulative = np.mean([norm.cdf(edges, loc=mean, scale=deviation) for mean in means], axis=0)
    return np.asarray(np.diff(cumulative))
