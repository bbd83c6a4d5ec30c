"""The particles at both ends of a walk, back-projected as they are: what changes without any decoder.

Letters: n particles, l latent components, d box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.methods.base import Method
from trimorph.reconstruction.images import Images
from trimorph.reconstruction.reconstruct import Reconstruction, reconstruct
from trimorph.run.bias_follow import Followed, band, followed, scale_of
from trimorph.run.components import principal_components

TAIL, MODELS = 0.25, 24
"""Share of the particles that is taken at each end, and how many of them stand for the structure there."""


@dataclass(frozen=True, eq=False)
class Ends:
    """Changes of density from the particles at one end of the latents to those at the other.

    ``halves`` are those of the particles of either half set on the structure's scale, ``structure`` that of
    the structure as the same particles have it on average.
    """

    halves: Float[ndarray, "two d d d"]
    structure: Float[ndarray, "d d d"]
    pixel_size: float

    @classmethod
    def of(
        cls,
        images: Images,
        method: Method,
        z: Float[ndarray, "n l"],
        *,
        component: int,
        ordinary: Reconstruction,
        mask: Float[ndarray, "d d d"],
        progress: Callable[[int, int], None] | None = None,
    ) -> Ends:
        """Back-project a TAIL of the particles at each end of a principal component of the latents."""
        axis = principal_components(z)[component - 1]
        order = np.argsort(z @ axis, kind="stable")
        count = max(2, round(TAIL * len(z)))
        densities, models = [], []
        for tail in (order[:count], order[-count:]):
            weight = np.zeros(len(z), np.float32)
            weight[tail] = 1.0
            found = reconstruct(
                images, weights=weight, half=ordinary.half, mask=ordinary.mask, progress=progress
            )
            densities.append(np.stack([found.half1, found.half2]))
            models.append(_mean_density(method, z[tail], box=images.box, pixel_size=images.pixel_size))
        scale = scale_of(np.stack([pair.mean(0) for pair in densities]), np.stack(models), mask)
        return cls((densities[1] - densities[0]) / scale, models[1] - models[0], images.pixel_size)

    def followed(
        self, region: Float[ndarray, "d d d"], *, resolution: float, beyond: float | None = None
    ) -> Followed:
        """The share of the structure's change in a region that the particles make, from both half sets.

        Its error is that of :func:`followed`, or half the difference of the half sets where that is more.
        """
        change, first, second = (
            band(one, pixel_size=self.pixel_size, resolution=resolution, beyond=beyond)
            for one in (self.structure, *self.halves)
        )
        margin = 0.5 * resolution / self.pixel_size
        found = followed(0.5 * (first + second), change, region, margin=margin)
        power = float((region * change**2).sum())
        apart = abs(float((region * change * (first - second)).sum())) / max(power, 1e-30)
        return Followed(found.share, max(found.error, 0.5 * apart))


@torch.no_grad()
def _mean_density(
    method: Method, z: Float[ndarray, "n l"], *, box: int, pixel_size: float
) -> Float[ndarray, "d d d"]:
    """The method's density, a mean over some of the particles."""
    some = z[np.unique(np.linspace(0, len(z) - 1, MODELS).astype(np.int64))]
    total = np.zeros((box,) * 3)
    for latent in torch.as_tensor(some, dtype=torch.float32):
        total += method.decode(latent[None]).voxels(box, pixel_size)[0].numpy()
    return total / len(some)
