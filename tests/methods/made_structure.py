"""Images of adenylate kinase whose second half turns, from voxels of all its atoms: for tests of segments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import trimorph.data
from methods.made_images import PIXEL_SIZE, MadeImages, make_images
from trimorph.data.hinge import natural_hinge, turn
from trimorph.data.residues import Residues
from trimorph.data.scattering import AtomicDensity
from trimorph.data.structure import Structure, read_structure
from trimorph.methods.base import Problem

BOX = 26
BOUNDARY = 130
"""The first residue of 214 that turns; halves would meet at 108."""


def adenylate_kinase() -> Structure:
    """Its atoms about their centre."""
    found = read_structure(Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb")[0]
    return found.move(found.position - found.position.mean(0))


def turned(structure: Structure, angle: float) -> Structure:
    """The structure with its end turned by an angle in radians about its natural hinge."""
    moving = structure.residue >= BOUNDARY
    axis, pivot = natural_hinge(structure, moving)
    return turn(structure, moving, angle=angle, axis=axis, pivot=pivot)


def hinge_images(angles: Tensor, *, count: int, noise_level: float) -> tuple[MadeImages, Tensor, Tensor]:
    """Images of states at these angles, each one's state, and the mean map."""
    structure = adenylate_kinase()
    maps = torch.cat(
        [
            AtomicDensity.of(turned(structure, float(angle)), resolution=8.0, origin=np.zeros(3)).voxels(
                BOX, PIXEL_SIZE
            )
            for angle in angles
        ]
    )
    maps = maps / maps.std()
    state = torch.randint(len(angles), (count,), generator=torch.Generator().manual_seed(3))
    return make_images(maps, state, noise_level=noise_level), state, maps.mean(0)


def with_structure(problem: Problem, residues: Residues) -> Problem:
    """The problem with the residues as a structure."""
    points = torch.as_tensor(np.column_stack([residues.position, residues.weight]), dtype=torch.float32)
    trace = torch.as_tensor(residues.trace, dtype=torch.float32)
    return replace(problem, points=points, chain=torch.as_tensor(residues.chains), trace=trace)
