"""What the method `segments` makes of a problem: a structure, and which residues of it may move.

Letters: g residues.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.methods.base import Problem
from trimorph.methods.cloud_region import require_resolution
from trimorph.methods.segment_settings import SegmentsSettings


def structure_of(problem: Problem) -> tuple[Float[Tensor, "g 4"], Int[Tensor, " g"]]:
    """Residues, as positions (Å) and weights, and their chains; InputError where the problem has none."""
    if problem.points is None or problem.chain is None:
        raise InputError(
            "Segments: found a problem without a structure; wanted one, whose segments move. Pass "
            "--structure with a PDB or mmCIF file that lies in the map."
        )
    return problem.points, problem.chain


def moving_residues(problem: Problem) -> Bool[Tensor, " g"]:
    """Which residues may move: those that the user chose, in parts that the user made.

    Errors: InputError where there is none.
    """
    points, _ = structure_of(problem)
    free = torch.ones(len(points), dtype=torch.bool)
    if problem.movable is not None:
        if int(problem.movable.max()) >= len(points):
            raise InputError(
                f"Segments: found the number {int(problem.movable.max())} among the residues that may move; "
                f"wanted 0 to {len(points) - 1}, as the structure has {len(points)}. Correct the file of "
                "--gaussians."
            )
        free = torch.zeros_like(free)
        free[problem.movable] = True
    if problem.part is not None:
        free = free & (problem.part >= 0)
    if not bool(free.any()):
        raise InputError(
            "Segments: found no residue that may move in the --ranges; wanted some. Leave one of --ranges "
            "and --chains out."
        )
    return free


def refuse_segments(settings: SegmentsSettings, problem: Problem) -> None:
    """Raise InputError for what the method cannot work with, before anything that takes time.

    That is a problem without structure or mean map, a resolution beyond Nyquist, nothing that may move, and
    parts for a decoder without segments.
    """
    structure_of(problem)
    if problem.mean is None:
        raise InputError(
            "Segments: found a problem without a mean map; wanted one that tells the density's scale. "
            "Make it with what Segments.wants names."
        )
    if settings.decoder == "modes" and problem.part is not None:
        raise InputError(
            "Found --ranges with --decoder modes; wanted the decoder segments, whose segments they are. "
            "Leave --ranges out; --chains says what may move, with either."
        )
    require_resolution(settings.resolution or 2 * problem.pixel_size, problem.pixel_size)
    moving_residues(problem)
