"""Paths through latent space: straight, along a principal component, through neighbours, where particles are.

Letters: n particles, d latent components, k anchors, m points of a path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.analysis.density_path import density_legs
from trimorph.analysis.graph import MOST, NEIGHBOURS, graph_legs
from trimorph.core.errors import InputError
from trimorph.run.choose_latents import PERCENTILES, points_along

POINTS, POINTS_BETWEEN_PARTICLES = 10, 20
"""Points of a path that is straight, and of one that bends and runs between the particles."""


@dataclass(frozen=True, eq=False)
class LatentPath:
    """Points ``z`` in their order, the particles that they are latents of (-1: of none), and the name.

    ``length`` is that of the path through all points, ``anchor`` the rows of the points that were asked for.
    """

    z: Float[ndarray, "m d"]
    particle: Int[ndarray, " m"]
    name: str
    length: float
    anchor: Int[ndarray, " k"]

    def __len__(self) -> int:
        return len(self.z)

    @property
    def along(self) -> Float[ndarray, " m"]:
        """Length of the path up to each point."""
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.z, axis=0), axis=1))])

    @property
    def closed(self) -> bool:
        """Whether it ends where it begins."""
        return len(self.z) > 2 and bool(np.array_equal(self.z[0], self.z[-1]))

    def evenly(self, points: int) -> LatentPath:
        """The same path by so many points, as evenly spaced as its anchors allow, which stay.

        Errors: InputError for fewer points than anchors.

        >>> path = straight_path(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 3.0]]), points=3)
        >>> path.evenly(5).z.tolist()
        [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]
        """
        legs = [self.z[first : last + 1] for first, last in pairwise(self.anchor)]
        return _of_legs(legs, self.particle[self.anchor], self.name, points)


def straight_path(
    anchors: Float[ndarray, "k d"],
    *,
    points: int = POINTS,
    loop: bool = False,
    particle: Sequence[int] | Int[ndarray, " k"] | None = None,
) -> LatentPath:
    """Straight from each anchor to the next, and with ``loop`` back to the first.

    ``particle`` says which particles the anchors are latents of, if they are.
    Errors: InputError for fewer than two anchors, the same twice in a row, fewer points than anchors.

    >>> straight_path(np.array([[0.0], [2.0]]), points=5).z[:, 0].tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    z, owner = _in_turn(anchors, loop), _owners(particle, len(anchors), loop)
    _refuse_anchors(z)
    return _of_legs([np.stack(pair) for pair in pairwise(z)], owner, "straight", points)


def component_path(
    mean: Float[ndarray, "n d"],
    number: int = 1,
    *,
    points: int = POINTS,
    limits: tuple[float, float] = PERCENTILES,
) -> LatentPath:
    """Along a principal component (from 1) through the mean latent, between two percentiles of the latents.

    Errors: InputError for a component that there is not, fewer than two points, latents that are all alike.
    """
    if not 0 <= limits[0] < limits[1] <= 100:
        raise InputError(
            f"Found the limits {limits[0]:g} and {limits[1]:g}; wanted two percentiles, the lower first."
        )
    if points < 2:
        raise InputError(f"Found {points} points; wanted two or more, as a path has two ends.")
    z = points_along(mean, number, points, limits=limits)
    length = float(np.linalg.norm(z[-1] - z[0]))
    if length == 0:
        raise InputError(
            f"Found that percentiles {limits[0]:g} and {limits[1]:g} of principal component {number} are the "
            "same; wanted latents that differ along it. Latents that are alike mean that the model saw no "
            "difference between the particles."
        )
    return LatentPath(z, np.full(len(z), -1), f"pc{number}", length, np.array([0, len(z) - 1]))


def graph_path(
    mean: Float[ndarray, "n d"],
    anchors: Sequence[int] | Int[ndarray, " k"],
    *,
    neighbours: int = NEIGHBOURS,
    most: int = MOST,
    connect: bool = False,
    loop: bool = False,
) -> LatentPath:
    """From particle to particle through the graph of neighbours, on the shortest way from anchor to anchor.

    Every point is the latent of a particle. ``neighbours`` is how many each particle has on average and
    ``most`` at most, itself among them. Where the graph falls apart between anchors, ``connect`` lets edges
    be of any length and lead both ways, and crosses what is still apart by the shortest gaps.

    Source: Zhong et al. 2021 (cryoDRGN), Methods.  Errors: InputError for particles that there are not, or
    that no way connects.
    """
    number = _in_turn(np.asarray(anchors, np.int64), loop)
    _refuse_particles(number, len(mean))
    _refuse_anchors(mean[number])
    legs = graph_legs(mean, number, neighbours=neighbours, most=most, connect=connect)
    return _through_particles(mean, legs, "graph")


def density_path(
    mean: Float[ndarray, "n d"],
    anchors: Float[ndarray, "k d"],
    *,
    points: int | None = None,
    loop: bool = False,
    particle: Sequence[int] | Int[ndarray, " k"] | None = None,
) -> LatentPath:
    """From anchor to anchor where particles are dense, at the least cost of the integral of 1 - log density.

    The density is relative to the highest, so that a path through a density e times lower counts twice its
    length. Latents of one or two components are crossed on a grid, between the particles, by 20 points if no
    number is given; of more, from particle to particle, beginning and ending at those nearest to the anchors.

    Errors: InputError for fewer than two anchors, or the same twice in a row.
    """
    z = _in_turn(anchors, loop)
    _refuse_anchors(z)
    through = density_legs(mean, z)
    if through.particles is not None:
        path = _through_particles(mean, through.particles, "density")
        return path if points is None else path.evenly(points)
    owner = _owners(particle, len(anchors), loop)
    wanted = max(POINTS_BETWEEN_PARTICLES, len(z)) if points is None else points
    return _of_legs(through.points, owner, "density", wanted)


def _through_particles(mean: Float[ndarray, "n d"], legs: list[Int[ndarray, " _"]], name: str) -> LatentPath:
    """The path from particle to particle."""
    particle = np.concatenate([legs[0][:1], *(leg[1:] for leg in legs)])
    anchor = np.concatenate([[0], np.cumsum([len(leg) - 1 for leg in legs])])
    z = mean[particle]
    length = float(np.linalg.norm(np.diff(z, axis=0), axis=1).sum())
    return LatentPath(z, particle, name, length, anchor)


def _of_legs(
    legs: list[Float[ndarray, "_ d"]], particle: Int[ndarray, " k"], name: str, points: int
) -> LatentPath:
    """The path along lines of points by so many that are evenly spaced on each."""
    lengths = np.array([np.linalg.norm(np.diff(leg, axis=0), axis=1).sum() for leg in legs])
    steps = _shares(lengths, points - 1)
    parts = [_spaced(leg, int(step)) for leg, step in zip(legs, steps, strict=True)]
    z = np.concatenate([parts[0][:1], *(part[1:] for part in parts)])
    anchor = np.concatenate([[0], np.cumsum(steps)])
    owner = np.full(len(z), -1)
    owner[anchor] = particle
    return LatentPath(z, owner, name, float(np.linalg.norm(np.diff(z, axis=0), axis=1).sum()), anchor)


def _spaced(leg: Float[ndarray, "_ d"], steps: int) -> Float[ndarray, "_ d"]:
    """Points on a line of points in so many steps of one length, measured along it; its ends stay."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(leg, axis=0), axis=1))])
    wanted = np.linspace(0.0, along[-1], steps + 1)
    z = np.stack([np.interp(wanted, along, column) for column in leg.T], axis=1)
    z[0], z[-1] = leg[0], leg[-1]
    return z


def _shares(lengths: Float[ndarray, " l"], steps: int) -> Int[ndarray, " l"]:
    """Steps for each length, one or more, so that the longest step is as short as can be.

    >>> _shares(np.array([1.0, 3.0]), 4).tolist()
    [1, 3]
    """
    if steps < len(lengths):
        raise InputError(
            f"Found {steps + 1} points for {len(lengths) + 1} anchors; wanted as many at least. Raise "
            "--points."
        )
    share = np.ones(len(lengths), np.int64)
    for _ in range(steps - len(lengths)):
        share[np.argmax(lengths / share)] += 1
    return share


def _in_turn(anchors: ndarray, loop: bool) -> ndarray:
    """The anchors, and with a loop the first again."""
    return np.concatenate([anchors, anchors[:1]]) if loop else np.asarray(anchors)


def _owners(
    particle: Sequence[int] | Int[ndarray, " k"] | None, count: int, loop: bool
) -> Int[ndarray, " _"]:
    """The particles of the anchors in turn, or -1."""
    own = np.full(count, -1) if particle is None else np.asarray(particle, np.int64)
    return np.asarray(_in_turn(own, loop))


def _refuse_anchors(z: Float[ndarray, "k d"]) -> None:
    """Raise InputError for fewer than two anchors, or one twice in a row."""
    if len(z) < 2:
        raise InputError(f"Found {len(z)} anchor; wanted two or more, which the path leads to in turn.")
    same = np.flatnonzero((np.diff(z, axis=0) == 0).all(1))
    if len(same):
        raise InputError(
            f"Found that anchors {same[0] + 1} and {same[0] + 2} have the same latent; wanted each to "
            "differ from the last. Latents that are alike mean that the model saw no difference between the "
            "particles."
        )


def _refuse_particles(number: Int[ndarray, " k"], count: int) -> None:
    """Raise InputError for numbers of particles that there are not."""
    wrong = number[(number < 0) | (number >= count)]
    if len(wrong):
        raise InputError(
            f"Found particle {wrong[0]}; wanted numbers from 0 to {count - 1}, as there are {count} "
            "particles."
        )
