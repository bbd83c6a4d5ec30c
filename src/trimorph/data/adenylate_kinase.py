"""Adenylate kinase between its closed and its open structure, from the bundled coordinates."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from trimorph.data.structure import Structure, read_structure

NMP, LID = (30, 59), (122, 159)
"""First and last residue of the domains that close over the core, which is the rest.

Source: Mueller, Schlauderer, Reinstein & Schulz, Structure 4 (1996) 147.
"""


def adenylate_kinase(fraction: NDArray[np.float64]) -> list[Structure]:
    """States between closed (fraction 0, PDB 1AKE) and open (1, PDB 4AKE), heavy atoms of 214 residues.

    The cores are superposed. NMP and LID each turn rigidly along the shortest rotation from one structure to
    the other, and what a rigid motion leaves over is interpolated linearly, so both ends are the deposited
    structures. It is a morph, not a path of least energy.

    >>> closed, opened = adenylate_kinase(np.array([0.0, 1.0]))
    >>> round(float(np.sqrt(((closed.position - opened.position) ** 2).sum(1).mean())), 0)
    8.0
    """
    closed, opened = _example("adk_closed.pdb"), _example("adk_open.pdb")
    domains = [(closed.residue >= first) & (closed.residue <= last) for first, last in (NMP, LID)]
    core = ~(domains[0] | domains[1])
    rotation = _superpose(opened.position[core], closed.position[core])
    target = rotation.apply(opened.position - opened.position[core].mean(0)) + closed.position[core].mean(0)
    return [
        closed.move(_between(closed.position, target, domains=[core, *domains], fraction=float(value)))
        for value in fraction
    ]


def _between(
    start: NDArray[np.float64], end: NDArray[np.float64], *, domains: list[NDArray[np.bool_]], fraction: float
) -> NDArray[np.float64]:
    position = np.empty_like(start)
    for domain in domains:
        a, b = start[domain], end[domain]
        rotation = _superpose(a, b)
        unturned = rotation.inv().apply(b - b.mean(0))
        shape = (1 - fraction) * (a - a.mean(0)) + fraction * unturned
        partial = Rotation.from_rotvec(fraction * rotation.as_rotvec())
        position[domain] = partial.apply(shape) + (1 - fraction) * a.mean(0) + fraction * b.mean(0)
    return position


def _superpose(moving: NDArray[np.float64], fixed: NDArray[np.float64]) -> Rotation:
    rotation: Rotation = Rotation.align_vectors(fixed - fixed.mean(0), moving - moving.mean(0))[0]
    return rotation


def _example(name: str) -> Structure:
    with as_file(files("trimorph.data") / "examples" / name) as path:
        return read_structure(path)[0]
