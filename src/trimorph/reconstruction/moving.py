"""Back-projection along the motion: each segment of a structure where it is sharp, joined to one map."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.backprojection import PROJECTION_GRIDDING, BackProjector
from trimorph.core.batch import Batch
from trimorph.core.density_solver import FourierSums, solve_density
from trimorph.core.errors import InputError
from trimorph.core.rotations import vector_to_matrix
from trimorph.methods.structure_method import RigidMotion, StructureMethod
from trimorph.reconstruction.fsc import shell_correlation
from trimorph.reconstruction.posed_images import PosedImages
from trimorph.reconstruction.reconstruct import (
    Density,
    Images,
    Reconstruction,
    back_project,
    ball_of,
    wiener_ssnr,
)
from trimorph.reconstruction.segment_regions import segment_weights

LEAST = 1e-3
"""Weight in all of the map from which a segment, or what belongs to none, is worth a back-projection."""

ROWS = 4096


def reconstruct_along(
    stack: Images,
    method: StructureMethod,
    z: Float[Tensor, "n d"],
    *,
    ordinary: Reconstruction,
    weights: NDArray[np.floating] | None = None,
    limit: float | None = None,
    scratch: Path | None = None,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """The map of the neutral structure from particles that are each bent in their own way.

    Particle i shows segment s at x -> Q (x - c) + c + t, with Q, c and t at its latent z_i: its image is one
    of the segment at rest at the rotation R Q, moved by R (c + t - Q c). So for each segment all particles
    are back-projected at poses of their own, which gives B_s, sharp where the segment is, and

        V(x) = sum_s w_s(x) B_s(x),

    with the weights of :func:`segment_weights`, for the map and each half map; what belongs to no segment
    stays. Particles count in proportion to the segment's occupancy, where that is between 0 and 1, and to
    ``weights``. Half sets, mask and the ``limit`` in Å are those of ``ordinary``, the reconstruction of them
    without motion, which comes out again where nothing moves. The stack is read once a segment, and one
    segment's sums are in memory at a time; for the map, under the prior that the joined half maps give,
    they wait in files in ``scratch`` (of the size that :class:`FourierSums` takes in memory).
    """
    disk = stack.disk.limit(resolution=limit).to(device)
    shares = method.shares().detach().cpu().double().numpy()
    position = method.position.detach().cpu().double().numpy()
    where = segment_weights(position, shares, box=stack.box, pixel_size=stack.pixel_size)
    bodies = [body for body in range(len(where)) if where[body].sum() > LEAST * where[0].size]
    corners = ball_of(disk)
    halves = [np.zeros_like(corners) for _ in (1, 2)]
    with TemporaryDirectory(dir=scratch) as folder:
        for done, body in enumerate(bodies):
            segment = body if body < shares.shape[1] else None
            weight = _occupancy(method, z, segment)
            if weights is not None:
                weight = weight * np.asarray(weights, np.float32)
            sums = back_project(
                stack if segment is None else PosedImages(stack, partial(_at_rest, method, z, segment)),
                sets=_weighted(ordinary.half, weight, segment),
                weight=weight,
                disk=disk,
                batch_size=batch_size,
                progress=_stage(progress, done, len(bodies)),
            )
            for half, projector in zip(halves, sums, strict=True):
                half += where[body] * (projector.solve().cpu().numpy() * corners)
            _save(Path(folder) / f"{body}.pt", sums[0] + sums[1])
        curves = shell_correlation(
            *halves, pixel_size=disk.pixel_size, mask=ordinary.mask, last=int(disk.shell[-1])
        )
        whole = np.zeros_like(corners)
        for body in bodies:
            sharp = _solve(Path(folder) / f"{body}.pt", wiener_ssnr(curves), device=device)
            whole += where[body] * (sharp * corners)
    return Reconstruction(whole, halves[0], halves[1], ordinary.mask, curves, ordinary.half)


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


@torch.no_grad()
def _at_rest(method: StructureMethod, z: Tensor, segment: int, batch: Batch) -> Batch:
    return at_rest(batch, method.segment_motion(z[batch.index]), segment)


@torch.no_grad()
def _occupancy(method: StructureMethod, z: Tensor, segment: int | None) -> Float[np.ndarray, " n"]:
    """How much of a segment each particle has, 0 to 1; of what belongs to none, all."""
    if segment is None:
        return np.ones(len(z), np.float32)
    parts = [method.segment_motion(rows).occupancy[:, segment] for rows in z.split(ROWS)]
    return torch.cat(parts).clamp(0, 1).float().cpu().numpy()


def _weighted(sets: np.ndarray, weight: np.ndarray, segment: int | None) -> np.ndarray:
    """Half sets without particles that have nothing of a segment."""
    sets = np.where(weight > 0, sets, 0)
    if not {1, 2} <= set(np.unique(sets).tolist()):
        raise InputError(
            f"Found no particle of one half set with something of segment {segment}, by its occupancy; "
            "wanted some in both. Fix this segment, or leave the occupancy out of the training."
        )
    return sets


def _save(path: Path, sums: BackProjector) -> None:
    found = sums.sums()
    state = {"numerator": found.numerator.cpu(), "weight": found.weight.cpu()}
    torch.save(state, path)


def _solve(path: Path, ssnr: Tensor, *, device: torch.device | str) -> Density:
    state = torch.load(path, map_location=device, weights_only=True)
    density = solve_density(FourierSums(**state), gridding=PROJECTION_GRIDDING, ssnr=ssnr)
    return np.asarray(density.cpu().numpy())


def _stage(
    progress: Callable[[int, int], None] | None, done: int, stages: int
) -> Callable[[int, int], None] | None:
    """Progress in one of several passes over the particles as that of all."""
    if progress is None:
        return None
    return lambda step, total: progress(done * total + step, stages * total)
