"""Maps around points of latent space, from the particles themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.open import ParticleInput, open_particles
from trimorph.reconstruction.images import Images
from trimorph.reconstruction.reconstruct import Density, Reconstruction, reconstruct
from trimorph.run.along import whole_images
from trimorph.run.embedding import Embedding

NEAREST = 0.1
"""Share of the particles that count around a latent."""


@dataclass(frozen=True, eq=False)
class NearState:
    """The map of the particles around a latent ``z``.

    ``bandwidth`` is, on shells 0 to ``box // 2``, the distance from z at which particles cease to count;
    ``effective`` is (sum w)^2 / sum w^2, how many particles of equal weight would have as little noise.
    """

    z: Float[ndarray, " d"]
    reconstruction: Reconstruction
    effective: float
    bandwidth: Float[ndarray, " s"]


def reconstruct_near(
    embedding: Embedding,
    z: Float[ndarray, "v d"],
    particles: ParticleInput | None = None,
    *,
    weights: NDArray[np.floating] | None = None,
    half: NDArray[np.integer] | None = None,
    limit: float | None = None,
    mask: Density | None = None,
    batch_size: int = 256,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NearState, ...]:
    """Back-project the particles around each latent, those nearer with more weight.

    A particle at the Mahalanobis distance d from a latent counts with 1 - d^2 / h^2, none beyond h.
    ``particles`` are by default those of the run whose latents they are, without a window, at the poses that
    it has refined; of a file's latents they must be named. All else is as for :func:`reconstruct`.

    Errors: InputError for latents of another dimension or number than the particles; those of reading.
    """
    wanted = embedding.mean.shape[1]
    if z.ndim != 2 or z.shape[1] != wanted:
        raise InputError(
            f"Found points of shape {z.shape}; wanted (v, {wanted}), as {embedding.source} has latents of "
            f"{wanted} components."
        )
    images = images_of(embedding, particles)
    states = []
    for number, point in enumerate(z):
        distance = distances(embedding, point)
        width = float(np.quantile(distance, NEAREST))
        kernel = (1 - (distance / max(width, 1e-12)) ** 2).clip(0)
        weight = kernel if weights is None else kernel * weights
        found = reconstruct(
            images,
            weights=weight,
            half=half,
            limit=limit,
            mask=mask,
            batch_size=batch_size,
            seed=seed,
            device=device,
        )
        effective = float(weight.sum() ** 2 / (weight**2).sum())
        states.append(NearState(point, found, effective, np.full(images.box // 2 + 1, width)))
        if progress is not None:
            progress(number + 1, len(z))
    return tuple(states)


def images_of(embedding: Embedding, particles: ParticleInput | None) -> Images:
    """The particles that the latents belong to, at the poses that their run has refined if it has.

    Errors: InputError where latents of a file come without particles, or with as many as there are not.
    """
    if embedding.run is not None:
        return whole_images(embedding.run, embedding.run.method(embedding.epoch), particles)
    if particles is None:
        raise InputError(
            f"{embedding.source}: found a file of latents without the particles; wanted these, too."
        )
    stack = open_particles(particles)
    if len(stack) != len(embedding):
        raise InputError(
            f"{embedding.source}: found latents of {len(embedding)} particles; wanted {len(stack)}, as many "
            f"as are in use of {stack.table.source}. Select the same particles."
        )
    return stack


def distances(embedding: Embedding, z: Float[ndarray, " d"]) -> Float[ndarray, " n"]:
    """Mahalanobis distance of a latent from each particle's, under the particle's own covariance."""
    apart = embedding.mean - z
    if embedding.covariance is None:
        return np.asarray(np.linalg.norm(apart, axis=1))
    solved = np.linalg.solve(embedding.covariance, apart[:, :, None])[:, :, 0]
    return np.sqrt((apart * solved).sum(1).clip(0))
