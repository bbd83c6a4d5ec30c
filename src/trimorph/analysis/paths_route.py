"""Route: what a user asks of a path, and the path that it leads to.

Letters: n particles, d latent components, k anchors.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.analysis.graph import MOST, NEIGHBOURS
from trimorph.analysis.paths import (
    POINTS,
    LatentPath,
    component_path,
    density_path,
    graph_path,
    straight_path,
)
from trimorph.analysis.states import states_of
from trimorph.core.errors import InputError
from trimorph.run.choose_latents import (
    PERCENTILES,
    Chosen,
    numbers_of_particles,
    parse_latents,
    places_of_states,
    read_latents,
)

Said = TypeVar("Said")

By = Literal["graph", "density", "straight", "pc"]
"""Ways from anchor to anchor."""

ANCHORS = ("anchors", "z", "z_file", "states")
"""Ways to name anchors, of which one is taken."""

APPLIES = {
    "neighbours": ("graph",),
    "most": ("graph",),
    "connect": ("graph",),
    "pc": ("pc",),
    "limits": ("pc",),
    "loop": ("graph", "density", "straight"),
    "seed": ("graph", "density", "straight"),
    **dict.fromkeys(ANCHORS, ("graph", "density", "straight")),
}
"""Ways that a part of the route is for, where it is not for all."""


@dataclass(frozen=True)
class Route:
    """Where a path leads, and how."""

    by: By = "graph"
    """Through the graph of neighbours, along the density, straight, or along a principal component."""
    anchors: str | None = None
    """Numbers of particles, as in 50,2020, that the path leads to in turn."""
    z: str | None = None
    """Latents that it leads to instead, as in 0,0;1,0."""
    z_file: Path | None = None
    """A file of them."""
    states: str | None = None
    """States whose centres it leads to instead: kmeans:6, mixture:4, peaks; see :func:`find_states`."""
    order: str | None = None
    """Which states, from 1, in which order, as in 1,4,3; all in their order if it is not said."""
    seed: int | None = None
    """Of the search for states, which finds those of an analysis with the same seed; 0 if it is not said."""
    loop: bool = False
    """Back to the first anchor at the end."""
    points: int | None = None
    """Points along the path; 10 if it is straight, 20 between particles; else the particles on it."""
    pc: int | None = None
    """Principal component, from 1; the first if it is not said."""
    limits: tuple[float, float] | None = None
    """Percentiles of the particles at which a component begins and ends; 5 and 95 if it is not said."""
    neighbours: int | None = None
    """Neighbours of a particle on average, itself among them; 5 if it is not said."""
    most: int | None = None
    """The most neighbours of a particle; 10 if it is not said, or twice the average where that is more."""
    connect: bool = False
    """Cross gaps of the graph where there is no other way."""


def find_path(mean: Float[ndarray, "n d"], route: Route) -> tuple[LatentPath, tuple[str, ...]]:
    """The path of a route through the latents, and what is to be said of it.

    Errors: InputError for parts of a route that do not go together, and those of the paths.
    """
    _refuse_idle(route)
    if route.by == "pc":
        number = _said(route.pc, 1)
        path = component_path(
            mean, number, points=_said(route.points, POINTS), limits=_said(route.limits, PERCENTILES)
        )
        return path, (f"principal component {number}, length {path.length:.4g}",)
    anchors = _anchors(mean, route)
    lines: list[str] = []
    if route.by == "straight":
        path = straight_path(
            anchors.z, points=_said(route.points, POINTS), loop=route.loop, particle=anchors.particle
        )
    elif route.by == "density":
        path = density_path(mean, anchors.z, points=route.points, loop=route.loop, particle=anchors.particle)
        lines += _moved(anchors.z, path, route.loop)
    else:
        own, lines = _on_particles(mean, anchors)
        path = graph_path(
            mean,
            own,
            neighbours=_said(route.neighbours, NEIGHBOURS),
            most=_said(route.most, max(MOST, 2 * _said(route.neighbours, NEIGHBOURS))),
            connect=route.connect,
            loop=route.loop,
        )
        path = path if route.points is None else path.evenly(route.points)
    return _named(path, f"{route.by}_{anchors.name}"), (*lines, *_lengths(path))


def _anchors(mean: Float[ndarray, "n d"], route: Route) -> Chosen:
    """The latents that the path leads to, and what to call them."""
    for name, value in (("--order", route.order), ("--seed", route.seed)):
        if route.states is None and value is not None:
            raise InputError(f"Found {name} without states; wanted --states with it, such as kmeans:6.")
    if route.anchors is not None:
        number = np.array(numbers_of_particles(route.anchors, len(mean), flag="--anchors"))
        name = "_".join(map(str, number)) if len(number) <= 4 else f"{len(number)}_anchors"
        return Chosen(mean[number], number, name)
    if route.states is not None:
        found = states_of(mean, route.states, seed=_said(route.seed, 0))
        order = list(range(found.count))
        if route.order is not None:
            order = places_of_states(route.order, found.count, flag="--order")
        named = [str(place + 1) for place in order] if route.order is not None else []
        name = "_".join([found.name, *named])
        return Chosen(found.z[order], found.centre[order], name)
    chosen = parse_latents(route.z) if route.z is not None else read_latents(route.z_file or Path())
    if chosen.z.shape[1] != mean.shape[1]:
        raise InputError(
            f"Found anchors of {chosen.z.shape[1]} components; wanted {mean.shape[1]}, as the latents have."
        )
    return chosen


def _refuse_idle(route: Route) -> None:
    """Raise InputError for parts of a route that would do nothing, and for no anchors or several kinds."""
    if route.by not in get_args(By):
        raise InputError(f"Found --by {route.by}; wanted one of {', '.join(get_args(By))}.")
    parts = {field.name: getattr(route, field.name) for field in fields(route)}
    given = [name for name, value in parts.items() if value is not None and value is not False]
    for name in given:
        ways = APPLIES.get(name, get_args(By))
        if route.by not in ways:
            raise InputError(
                f"Found --{name.replace('_', '-')} with --by {route.by}; wanted it with "
                f"{' or '.join(f'--by {way}' for way in ways)} only."
            )
    named = [f"--{name.replace('_', '-')}" for name in ANCHORS if name in given]
    if route.by != "pc" and len(named) != 1:
        raise InputError(
            f"Found {' and '.join(named) or 'no anchors'}; wanted just one of --anchors (particles), --z, "
            "--z-file (latents) and --states (their centres), which the path leads to."
        )


def _on_particles(mean: Float[ndarray, "n d"], anchors: Chosen) -> tuple[ndarray, list[str]]:
    """The particle of each anchor, or the nearest to a latent that belongs to none, with a line of that."""
    own, lines = anchors.particle.copy(), []
    for row in np.flatnonzero(own < 0):
        apart = np.linalg.norm(mean - anchors.z[row], axis=1)
        own[row] = int(apart.argmin())
        lines.append(f"anchor {row + 1}: particle {own[row]}, {apart.min():.3g} from the latent")
    return own, lines


def _moved(z: Float[ndarray, "k d"], path: LatentPath, loop: bool) -> list[str]:
    """A line for each anchor that the path passes by at the nearest particle."""
    apart = np.linalg.norm(path.z[path.anchor][: len(z)] - z, axis=1)
    return [
        f"anchor {row + 1}: particle {path.particle[path.anchor[row]]}, {apart[row]:.3g} from the latent"
        for row in np.flatnonzero(apart > 0)
    ]


def _lengths(path: LatentPath) -> list[str]:
    """A line for each leg: its length, and how far its ends are apart."""
    names = [f"{own}" if own >= 0 else f"point {row + 1}"
             for row, own in zip(path.anchor, path.particle[path.anchor], strict=True)]  # fmt: skip
    along = path.along[path.anchor]
    straight = np.linalg.norm(np.diff(path.z[path.anchor], axis=0), axis=1)
    return [
        f"{names[leg]} -> {names[leg + 1]}: {path.anchor[leg + 1] - path.anchor[leg] + 1} points, length "
        f"{along[leg + 1] - along[leg]:.4g} ({straight[leg]:.4g} straight)"
        for leg in range(len(straight))
    ]


def _said(value: Said | None, default: Said) -> Said:
    """What a user says, or what is taken if nothing is said."""
    return default if value is None else value


def _named(path: LatentPath, name: str) -> LatentPath:
    return LatentPath(path.z, path.particle, name, path.length, path.anchor)
