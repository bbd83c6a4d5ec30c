"""How well a run explains each of its particles: junk is explained badly wherever it lies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.imaging import render_batch
from trimorph.core.losses import whitened_likelihood
from trimorph.data.open import open_particles
from trimorph.methods.poses import at_refined_poses
from trimorph.run.run import Run
from trimorph.training.latents import Latents

AT_ONCE = 64
"""Images a batch."""


def misfit(
    run: Run,
    latents: Latents,
    *,
    epoch: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Float[ndarray, " n"]:
    """Mean over the image's pixels of |image - prediction|^2 / noise power, at each latent's mean.

    It is minus twice the logarithm of the likelihood a pixel, up to a constant: 1 for an image that differs
    from its prediction by noise alone, more for what the model does not know. Poses are those that the run
    has refined, if it has; resolution is that of the last stage of training.
    """
    images = open_particles(run.recipe.data)
    method = run.method(epoch)
    disk = method.disk.limit(resolution=method.stages[-1].resolution)
    count = float(disk.weight.sum())
    found = np.empty(len(images))
    for batch in images.batches(np.arange(len(images)), AT_ONCE, limit=disk):
        rows, seen = batch.index.numpy(), at_refined_poses(method, batch)
        z = torch.as_tensor(latents.mean[rows], dtype=torch.float32)
        with torch.no_grad():
            predicted = render_batch(method.decode(z), seen)
            power = method.noise.at(seen.disk, seen.group)
            score = whitened_likelihood(predicted, seen.image, power=power, disk=seen.disk)
        found[rows] = 2 * score.numpy() / count
        if progress is not None:
            progress(int(rows.max()) + 1, len(images))
    return found
