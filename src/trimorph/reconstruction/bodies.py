"""Bodies: parts of what moves, each with the poses at which its particles show it in one place.

Letters: n particles, v latents, g points, s parts, d box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.errors import InputError
from trimorph.core.rotations import matrix_to_vector, vector_to_matrix
from trimorph.methods.rigid_parts import RigidParts
from trimorph.methods.structure_method import RigidMotion
from trimorph.reconstruction.gather import Pose
from trimorph.reconstruction.segment_regions import segment_weights

LEAST = 1e-3
"""Weight in all of the map from which a segment, or what belongs to none, is worth a back-projection."""

ROWS = 4096


@dataclass(frozen=True, eq=False)
class Body:
    """A part of what moves: how much of each voxel is its, and of each particle; and where it is at rest.

    ``pose`` is None for what stays where it is, and ``number`` that of the part, from 0, None for no part.
    """

    where: Float[np.ndarray, "d d d"]
    weight: Float[np.ndarray, " n"]
    pose: Pose | None
    number: int | None = None


def bodies_of(
    parts: RigidParts,
    z: Float[Tensor, "n d"],
    *,
    box: int,
    pixel_size: float,
    at: Float[Tensor, " d"] | None = None,
) -> list[Body]:
    """The parts that hold some of the map, and last what belongs to none, for particles at latents z.

    Their place at rest is that in the neutral density, or where the latent ``at`` takes them.
    """
    shares = parts.shares().detach().cpu().double().numpy()
    position = parts.position.detach().cpu().double()
    motion = _motion(parts, z)
    if at is not None:
        there = _motion(parts, at[None].to(z))
        position = placed(position, torch.from_numpy(shares), there)
        motion = seen_from(motion, there)
    where = segment_weights(position.numpy(), shares, box=box, pixel_size=pixel_size)
    occupancy = motion.occupancy.clamp(0, 1).numpy()
    bodies = []
    for part, region in enumerate(where):
        if region.sum() <= LEAST * region.size:
            continue
        if part == shares.shape[1]:
            bodies.append(Body(region, np.ones(len(z), np.float32), None))
        else:
            bodies.append(Body(region, occupancy[:, part], partial(_at_rest, motion, part), part))
    return bodies


def refuse_empty(bodies: Sequence[Body], sets: Int[np.ndarray, " n"]) -> None:
    """Raise InputError where no particle of a half set (1, 2; 0: of none) has something of a part."""
    for body in bodies:
        if body.number is not None and not {1, 2} <= set(np.unique(sets[body.weight > 0]).tolist()):
            raise InputError(
                f"Found no particle of one half set with something of segment {body.number + 1}, by its "
                "occupancy; wanted some in both. Fix this segment, or leave the occupancy out of the "
                "training."
            )


def seen_from(motion: RigidMotion, there: RigidMotion) -> RigidMotion:
    """Motions from where a single one takes the parts, instead of from their neutral places.

    With x' = Q' (x - c) + c + t' there, and Q (x - c) + c + t of a particle, it is
    Q Q'^T (x' - c - t') + c + t.

    >>> quarter = torch.tensor([[[0.0, 0.0, torch.pi / 2]]])
    >>> one = RigidMotion(quarter, torch.ones(1, 1, 3), torch.zeros(1, 3), torch.ones(1, 1))
    >>> seen = seen_from(one, one)
    >>> seen.turn.abs().max() < 1e-6, seen.shift.abs().max() < 1e-6, seen.centre
    (tensor(True), tensor(True), tensor([[1., 1., 1.]]))
    """
    turn = vector_to_matrix(motion.turn.double()) @ vector_to_matrix(there.turn.double()).mT
    return RigidMotion(
        matrix_to_vector(turn).float(),
        motion.shift - there.shift,
        motion.centre + there.shift[0],
        motion.occupancy,
    )


def placed(
    position: Float[Tensor, "g 3"], shares: Float[Tensor, "g s"], there: RigidMotion
) -> Float[Tensor, "g 3"]:
    """Where a motion takes points, each as far as it belongs to the parts."""
    turn, centre = vector_to_matrix(there.turn[0].to(position)), there.centre.to(position)
    arm = position[:, None] - centre
    moved = torch.einsum("sij,gsj->gsi", turn, arm) - arm + there.shift[0].to(position)
    return position + (shares[..., None] * moved).sum(1)


def at_rest(batch: Batch, motion: RigidMotion, segment: int) -> Batch:
    """The batch at the poses at which one segment is in its neutral place.

    >>> from trimorph.core.ctf import CTF
    >>> from trimorph.core.disk import FourierDisk
    >>> one, none = torch.zeros(1, dtype=torch.long), torch.zeros(1, 2)
    >>> disk = FourierDisk(4, 1.0)
    >>> image = torch.zeros(1, len(disk), dtype=torch.complex64)
    >>> ctf = CTF(defocus_u=0.0, defocus_v=0.0).to("cpu")
    >>> batch = Batch(one, image, torch.eye(3)[None], none, ctf, one, disk)
    >>> shift = torch.tensor([[[3.0, -2.0, 1.0]]])
    >>> still = torch.zeros_like(shift)
    >>> at_rest(batch, RigidMotion(still, shift, torch.ones(1, 3), torch.ones(1, 1)), 0).shift
    tensor([[-3.,  2.]])
    """
    turn = vector_to_matrix(motion.turn[:, segment].to(batch.rotation))
    centre, shift = motion.centre[segment].to(turn), motion.shift[:, segment].to(turn)
    offset = centre + shift - turn @ centre
    seen = (batch.rotation @ offset[..., None])[:, :2, 0]
    return batch.pose(batch.rotation @ turn, batch.shift - seen)  # a shift is what would centre the image


def _at_rest(motion: RigidMotion, part: int, batch: Batch) -> Batch:
    """The batch at the poses at which a part is at rest, from the motions of all particles."""
    own = RigidMotion(
        motion.turn[batch.index], motion.shift[batch.index], motion.centre, motion.occupancy[batch.index]
    )
    return at_rest(batch, own, part)


@torch.no_grad()
def _motion(parts: RigidParts, z: Float[Tensor, "n d"]) -> RigidMotion:
    """The motions of all particles, on the CPU."""
    found = [parts.segment_motion(rows) for rows in z.split(ROWS)]
    turn, shift, occupancy = (
        torch.cat([getattr(motion, name).float().cpu() for motion in found])
        for name in ("turn", "shift", "occupancy")
    )
    return RigidMotion(turn, shift, found[0].centre.float().cpu(), occupancy)
