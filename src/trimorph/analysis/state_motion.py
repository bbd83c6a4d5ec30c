"""How far the model moves density between two states, where it has parts that can be followed.

Letters: k states, d latent components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.gaussians import Gaussians
from trimorph.methods.base import Method

MOVING = 0.9
"""Share of the density that moves less than ``far``."""


@dataclass(frozen=True)
class StateMotion:
    """The two states (places from 0) that lie farthest apart, and how far.

    ``rms`` is the root mean square displacement of density in Å; a tenth of the density moves by ``far`` Å or
    more.
    """

    first: int
    second: int
    rms: float
    far: float


def largest_motion(method: Method, z: Float[ndarray, "k d"]) -> StateMotion | None:
    """The largest motion between any two states; None for a model without parts, or a single state."""
    if len(z) < 2 or method.latent_dim == 0:
        return None
    with torch.no_grad():
        volume = method.decode(torch.as_tensor(z, dtype=torch.float32))
    if not isinstance(volume, Gaussians):
        return None
    weight = volume.amplitude.abs().mean(0).double().numpy()
    weight = weight / max(float(weight.sum()), 1e-300)
    place = volume.position.double().numpy()
    best = (0, 1, -1.0)
    for first in range(len(place)):
        square = ((place[first + 1 :] - place[first]) ** 2).sum(2) @ weight
        if len(square) and float(square.max()) > best[2]:
            best = (first, first + 1 + int(square.argmax()), float(square.max()))
    length = np.linalg.norm(place[best[1]] - place[best[0]], axis=1)
    order = np.argsort(length)
    far = length[order][np.searchsorted(np.cumsum(weight[order]), MOVING).clip(max=len(length) - 1)]
    return StateMotion(best[0], best[1], float(np.sqrt(best[2])), float(far))
