"""Maps around points of latent space, from the particles themselves.

Letters: v points, n particles, d latent components, s shells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.open import ParticleInput, open_particles
from trimorph.reconstruction.bodies import Body, bodies_of
from trimorph.reconstruction.images import Images
from trimorph.reconstruction.near import LocalMap, reconstruct_around
from trimorph.reconstruction.options import ReconstructionOptions
from trimorph.reconstruction.reconstruct import Reconstruction
from trimorph.run.along import whole_images
from trimorph.run.embedding import Embedding
from trimorph.run.latent_distance import latent_distance, least_number, metric, narrowest_distance
from trimorph.run.near_files import refuse_existing_states, write_near
from trimorph.run.near_points import NearPoints
from trimorph.run.parts import RunParts


@dataclass(frozen=True, eq=False)
class NearState:
    """The map of the particles around a latent ``z``.

    ``bandwidth`` is, on shells 0 to ``box // 2``, the distance from z at which particles cease to count,
    infinite where all count alike; ``effective`` is (sum w)^2 / sum w^2, how many particles of equal weight
    would have as little noise, averaged over the shells to the resolution. ``local`` has both by rung and
    shell, ``everyone`` is the map of all particles, and ``metric`` says what distances are
    measured by.
    """

    z: Float[ndarray, " d"]
    reconstruction: Reconstruction
    effective: float
    bandwidth: Float[ndarray, " s"]
    local: LocalMap
    everyone: Reconstruction
    metric: str

    @classmethod
    def of(
        cls, z: Float[ndarray, " d"], local: LocalMap, *, everyone: Reconstruction, metric: str
    ) -> NearState:
        """The state at z with the map around it."""
        known = np.flatnonzero(local.reconstruction.curves.best[1:] < 0.143)
        last = max(int(known[0]), 1) if len(known) else len(local.bandwidth) - 1
        effective = float(local.effective[1 : last + 1].mean())
        return cls(z, local.reconstruction, effective, local.bandwidth, local, everyone, metric)


def reconstruct_near(
    embedding: Embedding,
    z: Float[ndarray, "v d"],
    particles: ParticleInput | None = None,
    *,
    least: int | None = None,
    along: bool = False,
    memory: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> tuple[NearState, ...]:
    """Back-project the particles around each latent, those nearer with more weight, in one pass over them.

    A particle at the distance d of :func:`latent_distance` counts with 1 - d^2 / h^2, none beyond h. There is
    an h on each shell, that which half sets say is best: :func:`choose_rungs`. It is never less than
    :func:`narrowest_distance`, nor are there less than ``least`` particles, by default
    :func:`least_number`, within it. ``particles`` are by default
    those of the run whose latents they are, without a window, at the poses that it has refined; of a file's
    latents they must be named. With ``along``, each particle is bent back to the point along the motion of
    the run, one rigid part at a time (:class:`RunParts`), so that a wide bandwidth blurs less of what moves.
    ``options`` are those of :func:`reconstruct`; ``memory`` is in GB.

    Errors: InputError for latents of another dimension or number than the particles, or along the motion of
    what has none; those of reading.
    """
    wanted = embedding.mean.shape[1]
    if z.ndim != 2 or z.shape[1] != wanted or not len(z):
        raise InputError(
            f"Found points of shape {z.shape}; wanted (v, {wanted}), as {embedding.source} has latents of "
            f"{wanted} components."
        )
    if not np.isfinite(z).all():
        raise InputError("Found a latent to reconstruct around that is not finite; wanted numbers.")
    parts = _parts(embedding) if along else None
    images = images_of(embedding, particles)
    distance = np.stack([latent_distance(embedding, point) for point in z])
    everyone, found = reconstruct_around(
        images,
        distance,
        least=least_number(embedding) if least is None else least,
        narrowest=narrowest_distance(embedding),
        memory=memory,
        moving=None if parts is None else [_bodies(parts, embedding, point, images) for point in z],
        progress=progress,
        **options,
    )
    told = metric(embedding)
    return tuple(
        NearState.of(point, local, everyone=everyone, metric=told)
        for point, local in zip(z, found, strict=True)
    )


def reconstruct_file_near(
    particles: ParticleInput,
    output: Path,
    points: NearPoints,
    options: ReconstructionOptions | None = None,
    *,
    along: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NearState, ...]:
    """Reconstruct the particles of a file around latents, and write everything into the folder ``output``.

    ``points`` say around which, and where the latents of the particles are; with ``along`` particles are bent
    to each along the motion of that run.

    Errors: those of :func:`reconstruct_near` and :func:`write_near`, before anything is computed.
    """
    options = options or ReconstructionOptions()
    embedding = points.embedding()
    z = points.choose(embedding).z
    refuse_existing_states(output, len(z), overwrite=options.overwrite)
    found = reconstruct_near(
        embedding,
        z,
        particles,
        least=points.least,
        along=along,
        memory=options.memory,
        progress=progress,
        **options.of_particles(open_particles(particles)),
    )
    write_near(found, output, **options.of_files)
    return found


def _parts(embedding: Embedding) -> RunParts:
    """The rigid parts of the run whose latents these are."""
    if embedding.run is None:
        raise InputError(
            f"{embedding.source}: found latents of a file, which know no motion; wanted those of a run of "
            "segments or gaussians to bend particles along it. Leave --along out."
        )
    return RunParts.of(embedding.run, embedding.epoch)


def _bodies(parts: RunParts, embedding: Embedding, z: Float[ndarray, " d"], images: Images) -> list[Body]:
    """What particles are taken apart into, each part at rest where it is at z."""
    latents, point = (torch.as_tensor(values, dtype=torch.float32) for values in (embedding.mean, z))
    return bodies_of(parts.parts, latents, box=images.box, pixel_size=images.pixel_size, at=point)


def images_of(embedding: Embedding, particles: ParticleInput | None) -> Images:
    """The particles that the latents belong to, at the poses that their run has refined if it has.

    Errors: InputError where latents of a file come without particles, or with as many as there are not.
    """
    if embedding.run is not None:
        return whole_images(embedding.run, embedding.run.method(embedding.epoch), particles)
    if particles is None:
        raise InputError(
            f"{embedding.source}: found latents of a file, which does not say whose they are; wanted the "
            "particles, too."
        )
    stack = open_particles(particles)
    if len(stack) != len(embedding):
        raise InputError(
            f"{embedding.source}: found latents of {len(embedding)} particles; wanted {len(stack)}, as many "
            f"as are in use of {stack.table.source}. Select the same particles."
        )
    return stack
