"""A rigid body of three blobs with a small one that moves: along a line, round a circle, or with a fourth.

The three tests of e2gmm, from their description. All sizes but the numbers of states are ours.
Source: Chen & Ludtke, Nature Methods 18 (2021) 930, Methods, "Tests on simulated datasets".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trimorph.data.ensemble import StructureStates
from trimorph.data.hinge import turn
from trimorph.data.motion import Motion
from trimorph.data.pseudo_complex import compact_chain, residue_chains
from trimorph.data.structure import Structure

BODY = (((-18.0, -6.0, -12.0), 21.0), ((19.0, -11.0, -10.0), 18.0), ((2.0, 20.0, -17.0), 16.0))
"""Centres and radii in Å of the body's blobs, which touch and lie within 45 Å of the origin."""

MOVER_RADIUS, EXTRA, EXTRA_RADIUS = 12.0, (27.0, -31.0, -24.0), 10.0
"""Å: of what moves, above the body, and place and radius of the extra blob, below it."""

HEIGHT, START_Y = 22.0, 3.0
"""Å along z at which the mover stays, and along y at which its straight path runs."""

PATH, POSITIONS = 60.0, 20
"""Length in Å of the straight path along x, in 20 states 3.16 Å apart."""

CIRCLE, ANGLES = 40.0, 36
"""Radius in Å of the circle about z, in 36 states 10 degrees apart."""

COMPOSITIONS = ("without the extra blob", "with the extra blob")

_RESIDUE_VOLUME = 143.0
_BODY, _MOVER, _EXTRA = "A", "B", "C"


def linear_motion() -> StructureStates:
    """The mover on a straight path, longer than the mover is wide: 20 states, by the distance gone in Å."""
    return _on_a_line(_structure(extra=False))


def mixed_motion() -> StructureStates:
    """The straight path twice: states 0 to 19 without an extra blob on the body, 20 to 39 with it.

    With weights all alike the extra blob is independent of the position, and present in half.
    """
    without, fuller = (_on_a_line(_structure(extra=extra)) for extra in (False, True))
    motion = without.motion
    assert motion is not None
    return _states(
        [*without.structures, *fuller.structures],
        coordinate=np.tile(without.coordinate, 2),
        names=[f"{name} {composition}" for composition in COMPOSITIONS for name in without.names],
        quantity=without.quantity,
        motion=replace(motion, position=np.tile(motion.position, (2, 1))),
        composition=np.repeat([0, 1], POSITIONS),
    )


def cyclic_motion() -> StructureStates:
    """The mover turned about an axis, all the way round: 36 states, by the angle in radians."""
    angle = 2 * np.pi * np.arange(ANGLES, dtype=np.float64) / ANGLES
    whole = _structure(extra=False)
    whole = whole.move(whole.position + np.outer(whole.chain == _MOVER, [CIRCLE, 0.0, HEIGHT]))
    axis, pivot = np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, HEIGHT])
    states = [turn(whole, whole.chain == _MOVER, angle=value, axis=axis, pivot=pivot) for value in angle]
    return _states(
        states,
        coordinate=angle,
        names=[f"{value:.0f} degrees" for value in np.rad2deg(angle)],
        quantity="angle about the axis in radians",
        motion=Motion("circle", axis, _places(states), MOVER_RADIUS),
    )


def _on_a_line(whole: Structure) -> StructureStates:
    distance = np.linspace(0.0, PATH, POSITIONS, dtype=np.float64)
    along, moving = np.array([1.0, 0.0, 0.0]), whole.chain == _MOVER
    start = np.array([-0.5 * PATH, START_Y, HEIGHT])
    states = [whole.move(whole.position + np.outer(moving, start + step * along)) for step in distance]
    return _states(
        states,
        coordinate=distance,
        names=[f"{step:.1f} Å" for step in distance],
        quantity="distance along the path in Å",
        motion=Motion("line", along, _places(states), MOVER_RADIUS),
    )


def _states(
    structures: list[Structure],
    *,
    coordinate: NDArray[np.float64],
    names: list[str],
    quantity: str,
    motion: Motion,
    composition: NDArray[np.int64] | None = None,
) -> StructureStates:
    return StructureStates(
        structures=structures,
        names=tuple(names),
        weights=np.ones(len(structures)),
        coordinate=coordinate,
        quantity=quantity,
        origin=np.mean([item.position.mean(0) for item in structures], axis=0),
        motion=motion,
        composition=composition,
    )


def _structure(*, extra: bool) -> Structure:
    """Body in its place, the mover's centroid at the origin, and the extra blob where wanted."""
    chains = {
        _BODY: np.concatenate([_blob(radius, seed) + centre for seed, (centre, radius) in enumerate(BODY)]),
        _MOVER: _blob(MOVER_RADIUS, seed=3),
    }
    if extra:
        chains[_EXTRA] = _blob(EXTRA_RADIUS, seed=4) + EXTRA
    return residue_chains(chains)


def _blob(radius: float, seed: int) -> NDArray[np.float64]:
    """Residues that fill a ball as protein does, their centroid at the origin."""
    count = round(4 / 3 * np.pi * radius**3 / _RESIDUE_VOLUME)
    chain = compact_chain(count, (radius, radius, radius), seed=seed)
    return np.asarray(chain - chain.mean(0))


def _places(structures: list[Structure]) -> NDArray[np.float64]:
    """The mover's centroid in each state."""
    return np.array([item.position[item.chain == _MOVER].mean(0) for item in structures])
