"""RunParts: the rigid parts in which a run moves what it shows, with their names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.methods.cloud_parts import CloudParts
from trimorph.methods.require_structure import moves_structure, require_structure
from trimorph.methods.rigid_parts import RigidParts
from trimorph.reconstruction.segment_regions import around
from trimorph.run.motion_cloud import decoded_cloud
from trimorph.run.run import Run
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_names import NamedSegments, residue_names

REACH = 1.5
"""Pixels around a part's points in which density is looked at, 6 Å at least; over as many it fades."""

MOST = 8
"""Parts that a cloud of Gaussians is taken for, at most."""

TOLERANCE = 0.25
"""Error of taking parts of a cloud as rigid, in pixels of the run."""


@dataclass(frozen=True, eq=False)
class RunParts:
    """Parts, their names, and the numbers of the points that belong to each most."""

    parts: RigidParts
    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, run: Run, epoch: int | None = None) -> RunParts:
        """The segments of a structure, or parts of a cloud of Gaussians that move as one.

        A cloud is parted so that it moves to a quarter of a pixel in parts, eight at most.
        Errors: InputError for a run that moves neither, or a structure without segments.
        """
        method = run.method(epoch)
        if moves_structure(method):
            structure = MovingStructure.of(run, epoch)
            segments = require_structure(method, name=run.recipe.method, source=str(run.path)).segments()
            named = NamedSegments.of(segments, residue_names(structure.residues))
            if not len(named):
                raise InputError(
                    f"{run.path}: found a structure that moves in no rigid segments; wanted some, along "
                    "whose motion particles can be back-projected."
                )
            return cls(structure.method, named.names, tuple(segment.residues for segment in segments))
        latents = torch.as_tensor(run.latents(epoch).mean, dtype=torch.float32)
        tolerance = TOLERANCE * method.disk.pixel_size
        cloud = CloudParts.of(partial(decoded_cloud, method), latents, tolerance=tolerance, most=MOST)
        members = [np.flatnonzero(cloud.member.numpy() == part) for part in range(cloud.count)]
        names = tuple(
            f"part {number} ({len(rows)} Gaussians)" for number, rows in enumerate(members, start=1)
        )
        return cls(cloud, names, tuple(tuple(rows.tolist()) for rows in members))

    def __len__(self) -> int:
        return len(self.names)

    def masks(self, *, box: int, pixel_size: float) -> list[Float[ndarray, "d d d"]]:
        """A soft mask around the points of each part at rest."""
        place = self.parts.position.detach().double().numpy()
        reach = max(6.0, REACH * pixel_size)
        return [
            around(place[list(rows)], box=box, pixel_size=pixel_size, reach=reach, edge=reach)
            for rows in self.members
        ]
