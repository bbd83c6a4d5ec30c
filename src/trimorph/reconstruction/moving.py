"""Back-projection along the motion: each part of what moves where it is sharp, joined to one map.

Letters: n particles, v latents, s parts, d box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.backprojection import PROJECTION_GRIDDING, BackProjector
from trimorph.core.batch import Batch
from trimorph.core.density_solver import FourierSums, solve_density
from trimorph.core.errors import InputError
from trimorph.core.rotations import vector_to_matrix
from trimorph.methods.rigid_parts import RigidParts
from trimorph.methods.structure_method import RigidMotion
from trimorph.reconstruction.fsc import shell_correlation
from trimorph.reconstruction.gather import Pose, Share, gather
from trimorph.reconstruction.images import Images
from trimorph.reconstruction.memory import pairs_at_once
from trimorph.reconstruction.reconstruct import Density, Reconstruction, ball_of, wiener_ssnr
from trimorph.reconstruction.segment_regions import segment_weights

LEAST = 1e-3
"""Weight in all of the map from which a segment, or what belongs to none, is worth a back-projection."""

ROWS = 4096


def reconstruct_along(
    stack: Images,
    parts: RigidParts,
    z: Float[Tensor, "n d"],
    *,
    ordinary: Reconstruction,
    weights: NDArray[np.floating] | None = None,
    limit: float | None = None,
    scratch: Path | None = None,
    memory: float | None = None,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """The map of the neutral density from particles that are each bent in their own way.

    Particle i shows part s at x -> Q (x - c) + c + t, with Q, c and t at its latent z_i: its image is one
    of the part at rest at the rotation R Q, moved by R (c + t - Q c). So for each part all particles
    are back-projected at poses of their own, which gives B_s, sharp where the part is, and

        V(x) = sum_s w_s(x) B_s(x),

    with the weights of :func:`segment_weights`, for the map and each half map; what belongs to no part
    stays. Particles count in proportion to the part's occupancy, where that is between 0 and 1, and to
    ``weights``. Half sets, mask and the ``limit`` in Å are those of ``ordinary``, the reconstruction of them
    without motion, which comes out again where nothing moves. The stack is read once for as many parts as
    fit into ``memory`` (GB; see :func:`pairs_at_once`); for the map, under the prior that the joined half
    maps give, sums wait in files in ``scratch`` (of the size that :class:`FourierSums` takes in memory).
    Errors: InputError where no particle of a half set has something of a part.
    """
    disk = stack.disk.limit(resolution=limit).to(device)
    bodies = bodies_of(parts, z, ordinary.half, box=stack.box, pixel_size=stack.pixel_size)
    given = 1.0 if weights is None else np.asarray(weights, np.float32)
    corners = ball_of(disk)
    halves = [np.zeros_like(corners) for _ in (1, 2)]
    room = pairs_at_once(disk, memory)
    with TemporaryDirectory(dir=scratch) as folder:
        files = [Path(folder) / f"{number}.pt" for number in range(len(bodies))]
        for done in range(0, len(bodies), room):
            some = bodies[done : done + room]
            found = gather(
                stack,
                [Share(body.weight * given, body.pose) for body in some],
                sets=ordinary.half,
                disk=disk,
                batch_size=batch_size,
                progress=_some(progress, done, len(some), len(bodies)),
            )
            for body, file, sums in zip(some, files[done:], found, strict=False):
                for half, projector in zip(halves, sums, strict=True):
                    half += body.where * (projector.solve().cpu().numpy() * corners)
                _save(file, sums[0] + sums[1])
        curves = shell_correlation(
            *halves, pixel_size=disk.pixel_size, mask=ordinary.mask, last=int(disk.shell[-1])
        )
        whole = np.zeros_like(corners)
        for body, file in zip(bodies, files, strict=True):
            whole += body.where * (_solve(file, wiener_ssnr(curves), device=device) * corners)
    return Reconstruction(whole, halves[0], halves[1], ordinary.mask, curves, ordinary.half)


@dataclass(frozen=True, eq=False)
class Body:
    """A part of what moves: how much of each voxel is its, and of each particle; and where it is at rest.

    ``pose`` is None for what stays where it is.
    """

    where: Float[np.ndarray, "d d d"]
    weight: Float[np.ndarray, " n"]
    pose: Pose | None


def bodies_of(
    parts: RigidParts,
    z: Float[Tensor, "n d"],
    sets: Int[np.ndarray, " n"],
    *,
    box: int,
    pixel_size: float,
) -> list[Body]:
    """The parts that hold some of the map, and last what belongs to none, for particles at latents z.

    Errors: InputError where no particle of a half set (1, 2; 0: of none) has something of a part.
    """
    shares = parts.shares().detach().cpu().double().numpy()
    position = parts.position.detach().cpu().double().numpy()
    where = segment_weights(position, shares, box=box, pixel_size=pixel_size)
    motion = _motion(parts, z)
    occupancy = motion.occupancy.clamp(0, 1).numpy()
    bodies = []
    for part, region in enumerate(where):
        if region.sum() <= LEAST * region.size:
            continue
        if part == shares.shape[1]:
            bodies.append(Body(region, np.ones(len(z), np.float32), None))
            continue
        weight = occupancy[:, part]
        if not {1, 2} <= set(np.unique(sets[weight > 0]).tolist()):
            raise InputError(
                f"Found no particle of one half set with something of segment {part}, by its occupancy; "
                "wanted some in both. Fix this segment, or leave the occupancy out of the training."
            )
        bodies.append(Body(region, weight, partial(_at_rest, motion, part)))
    return bodies


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


def _save(path: Path, sums: BackProjector) -> None:
    found = sums.sums()
    state = {"numerator": found.numerator.cpu(), "weight": found.weight.cpu()}
    torch.save(state, path)


def _solve(path: Path, ssnr: Tensor, *, device: torch.device | str) -> Density:
    state = torch.load(path, map_location=device, weights_only=True)
    density = solve_density(FourierSums(**state), gridding=PROJECTION_GRIDDING, ssnr=ssnr)
    return np.asarray(density.cpu().numpy())


def _some(
    progress: Callable[[int, int], None] | None, done: int, some: int, bodies: int
) -> Callable[[int, int], None] | None:
    """Progress of one pass over the particles, for some of the bodies, as that of all."""
    if progress is None:
        return None
    return lambda step, total: progress(done * total + some * step, bodies * total)
