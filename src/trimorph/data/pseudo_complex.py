"""Pseudo-residues in compact chains, made from nothing but a seed, and a two-domain protein of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trimorph.data.scattering import RESIDUE
from trimorph.data.structure import Structure

BODY, ARM = 400, 200
"""Pseudo-residues of the two domains, chains A and B."""

_STEP, _SLAB = 3.8, 8.0
_BODY_AXES, _ARM_AXES = (19.0, 24.0, 30.0), (11.0, 14.0, 42.0)


def pseudo_complex() -> Structure:
    """600 pseudo-residues, about 130 Å long: a compact body (chain A, 400) and an arm (chain B, 200).

    Each domain is a chain with steps of 3.8 Å that fills an ellipsoid at about the density of protein.
    The body's centre is near the origin, and the arm stands on top of it along z.

    >>> structure = pseudo_complex()
    >>> len(structure), bool(120 < np.ptp(structure.position[:, 2]) < 150)
    (600, True)
    """
    body = compact_chain(BODY, _BODY_AXES, seed=1) + np.array([0.0, 0.0, -30.0])
    arm = compact_chain(ARM, _ARM_AXES, seed=2) + np.array([8.0, 0.0, 42.0])
    return residue_chains({"A": body, "B": arm})


def residue_chains(chains: Mapping[str, NDArray[np.float64]]) -> Structure:
    """Pseudo-residues at the positions (n, 3) in Å of each chain, numbered from 1 in each."""
    number = sum(map(len, chains.values()))
    return Structure(
        position=np.concatenate(list(chains.values())),
        element=np.full(number, RESIDUE),
        chain=np.repeat(list(chains), [len(position) for position in chains.values()]),
        residue=np.concatenate([np.arange(1, len(position) + 1) for position in chains.values()]),
        residue_name=np.full(number, "UNK"),
        atom_name=np.full(number, "CA"),
        b_factor=np.zeros(number),
    )


def compact_chain(count: int, axes: tuple[float, float, float], *, seed: int) -> NDArray[np.float64]:
    """A random walk (count, 3) that fills an ellipsoid about the origin from its lower to its upper end.

    ``axes`` are its half axes in Å; protein fills 143 Å^3 a residue. Of 40 steps offered it takes the one
    farthest from the residues that are there, inside the ellipsoid and near the height that the volume filled
    so far reaches.
    """
    generator = np.random.default_rng(seed)
    height = np.linspace(-1, 1, 201)
    filled = (2 + 3 * height - height**3) / 4
    level = axes[2] * np.interp((np.arange(count) + 0.5) / count, filled, height)
    chain = np.zeros((count, 3))
    chain[0, 2] = level[0]
    for i in range(1, count):
        step = generator.standard_normal((40, 3))
        offer = chain[i - 1] + _STEP * step / np.linalg.norm(step, axis=1, keepdims=True)
        outside = np.maximum(((offer / axes) ** 2).sum(1) - 1, 0)
        astray = np.maximum(np.abs(offer[:, 2] - level[i]) - _SLAB, 0)
        distance = np.linalg.norm(offer[:, None] - chain[None, :i], axis=2).min(1)
        chain[i] = offer[np.argmax(np.minimum(distance, _STEP) - 100 * outside - astray)]
    return chain
