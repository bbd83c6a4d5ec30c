"""MovingStructure: every atom of the user's file, and where latents of a run take it.

Letters: v latents, d their dimension, g residues, n atoms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.data.residues import Residues
from trimorph.data.structure import read_structure
from trimorph.data.template import Template
from trimorph.methods.base import Problem
from trimorph.methods.require_structure import require_structure
from trimorph.methods.structure_method import RigidMotion, StructureMethod
from trimorph.run.run import Run
from trimorph.run.start import StartSettings, map_middle
from trimorph.run.structures_backbone import Backbone

SAME = 0.02
"""Distance in Å within which a residue of the file is taken to stand where it stood in training."""

AT_ONCE = 2_000_000
"""Residues, of all latents together, that are moved in one step."""


@dataclass(frozen=True, eq=False)
class MovingStructure:
    """The structure of a run, in the frame of its maps: ``middle`` (Å) is where the origin voxel lies there.

    ``atoms`` (n, 3) and ``backbone`` (one point a residue) are those of the start in that frame, and
    ``owner`` says which residue each atom goes with.
    """

    method: StructureMethod
    template: Template
    residues: Residues
    atoms: Float[ndarray, "n 3"]
    owner: Int[ndarray, " n"]
    backbone: Backbone
    middle: Float[ndarray, " 3"]

    @classmethod
    def of(cls, run: Run, epoch: int | None = None) -> MovingStructure:
        """The structure that a run started from, with its motion after an epoch.

        Errors: InputError for a method that moves no structure, and where the file is not that of training
        any more; FileNotFoundError where it is gone.
        """
        method = require_structure(run.method(epoch), name=run.recipe.method, source=str(run.path))
        source = run.recipe.start.structure
        problem = run.problem(epoch)
        if source is None or problem.points is None:
            raise InputError(
                f"{run.path}: found a run that did not start from a structure; wanted one whose atoms can be "
                "moved. Train with --structure."
            )
        template, atoms = Template.read(source), read_structure(source)[0]
        residues = Residues.of(atoms)
        trained = problem.points[:, :3].double().numpy()
        offset = _offset(residues, trained, source=str(source))
        middle = _middle(run.recipe.start, problem, offset)
        owner = template.residue_of(residues)
        # what training made of the neutral structure, and from the frame of the file to that of the maps
        change = method.position.detach().double().numpy() - trained + middle - offset
        backbone = Backbone.of(atoms, residues)
        return cls(
            method=method,
            template=template,
            residues=residues,
            atoms=template.position + change[owner],
            owner=owner,
            backbone=backbone.moved(backbone.position + change),
            middle=middle,
        )

    def corner(self, box: int, pixel_size: float) -> tuple[float, float, float]:
        """Where voxel (0, 0, 0) of a map lies in the frame of the atoms, in Å."""
        x, y, z = (np.round(self.middle - box // 2 * pixel_size, 3) + 0.0).tolist()
        return x, y, z

    def move_atoms(self, z: Float[ndarray, "v d"]) -> Float[ndarray, "v n 3"]:
        """Where latents take all atoms, in Å."""
        return np.concatenate([self._place(rows, self.atoms, self.owner) for rows in self._chunks(z)])

    def move_backbone(self, z: Float[ndarray, "v d"]) -> Float[ndarray, "v g 3"]:
        """Where latents take the points of the backbone, in Å."""
        return np.concatenate([self._place(rows, self.backbone.position, None) for rows in self._chunks(z)])

    def segment_motion(self, z: Float[ndarray, "v d"]) -> RigidMotion:
        """The rigid motions of the segments."""
        with torch.no_grad():
            return self.method.segment_motion(torch.as_tensor(z, dtype=torch.float32))

    def occupancy(self, z: Float[ndarray, "v d"]) -> Float[ndarray, "v n"]:
        """How much of each atom is there: 1 at z = 0."""
        with torch.no_grad():
            parts = [self.method.residue_motion(rows).occupancy for rows in self._chunks(z)]
        return torch.cat(parts).double().numpy()[:, self.owner]

    def chunks(self, count: int) -> list[slice]:
        """Rows of so many latents, as many at once as are moved in one step."""
        step = max(1, AT_ONCE // len(self.residues))
        return [slice(first, min(first + step, count)) for first in range(0, count, step)]

    def _chunks(self, z: Float[ndarray, "v d"]) -> Iterator[Tensor]:
        return (torch.as_tensor(z[rows], dtype=torch.float32) for rows in self.chunks(len(z)))

    def _place(
        self, z: Tensor, points: Float[ndarray, "n 3"], owner: Int[ndarray, " n"] | None
    ) -> Float[ndarray, "v n 3"]:
        number = None if owner is None else torch.as_tensor(owner)
        with torch.no_grad():
            moved = self.method.residue_motion(z).place(torch.as_tensor(points - self.middle), number)
        return moved.numpy() + self.middle


def _offset(residues: Residues, trained: Float[ndarray, "g 3"], *, source: str) -> Float[ndarray, " 3"]:
    """What the coordinates of the file are ahead of those of training in Å."""
    if len(residues) != len(trained):
        raise InputError(
            f"{source}: found {len(residues)} residues; wanted {len(trained)}, with which the run was "
            "trained. Put the file back that training started from."
        )
    offset = np.median(residues.position - trained, axis=0)
    apart = np.abs(residues.position - trained - offset).max()
    if apart > SAME:
        raise InputError(
            f"{source}: found residues up to {apart:.2g} Å from where they stood in training; wanted the "
            "file that training started from. Put it back."
        )
    return offset


def _middle(start: StartSettings, problem: Problem, offset: Float[ndarray, " 3"]) -> Float[ndarray, " 3"]:
    """Where the origin voxel lies in the frame of the maps: in that of a file that was fitted to one."""
    if np.abs(offset).max() > SAME:
        return offset
    return np.asarray(map_middle(start, box=problem.box, pixel_size=problem.pixel_size))
