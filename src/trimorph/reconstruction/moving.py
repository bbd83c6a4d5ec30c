"""Back-projection along the motion: each part of what moves where it is sharp, joined to one map.

Letters: n particles, d latent components.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.backprojection import PROJECTION_GRIDDING, BackProjector
from trimorph.core.density_solver import FourierSums, solve_density
from trimorph.methods.rigid_parts import RigidParts
from trimorph.reconstruction.bodies import bodies_of, refuse_empty
from trimorph.reconstruction.fsc import shell_correlation
from trimorph.reconstruction.gather import Share, gather
from trimorph.reconstruction.images import Images
from trimorph.reconstruction.memory import pairs_at_once
from trimorph.reconstruction.reconstruct import Density, Reconstruction, ball_of, wiener_ssnr


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
    bodies = bodies_of(parts, z, box=stack.box, pixel_size=stack.pixel_size)
    refuse_empty(bodies, ordinary.half)
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
