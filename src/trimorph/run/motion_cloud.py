"""CloudMotion: the Gaussians of a run in two states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.methods.base import Method


@dataclass(frozen=True, eq=False)
class CloudMotion:
    """Gaussians at two latents ``z``, first the start, then the end.

    ``position`` is in Å with the origin at voxel box // 2; amplitudes are integrals of blobs in Å^3.
    """

    z: Float[ndarray, "2 d"]
    position: Float[ndarray, "2 g 3"]
    amplitude: Float[ndarray, "2 g"]
    width: Float[ndarray, "2 g"]

    @classmethod
    def between(cls, method: Method, z: ArrayLike) -> CloudMotion:
        """Decode both ends."""
        z = np.asarray(z, dtype=np.float64)
        with torch.no_grad():
            cloud = decoded_cloud(method, torch.as_tensor(z, dtype=torch.float32))
        parts = (cloud.position, cloud.amplitude.expand(2, -1), cloud.width.expand(2, -1))
        return cls(z, *(part.double().numpy() for part in parts))

    @property
    def displacement(self) -> Float[ndarray, "g 3"]:
        """From start to end, in Å."""
        return self.position[1] - self.position[0]

    @property
    def length(self) -> Float[ndarray, " g"]:
        """How far each Gaussian goes, in Å."""
        return np.linalg.norm(self.displacement, axis=1)

    @property
    def weight(self) -> Float[ndarray, " g"]:
        """Share of each Gaussian in the density: the size of its amplitude at the start, summing to one."""
        size = np.abs(self.amplitude[0])
        return size / size.sum()

    def rms(self, inside: Float[ndarray, " g"] | None = None) -> float:
        """Root mean square displacement of density in Å, of all or of what is inside (0 to 1 a Gaussian)."""
        weight = self.weight if inside is None else self.weight * inside
        return float(np.sqrt(weight @ self.length**2 / max(weight.sum(), 1e-300)))

    @property
    def amplitude_change(self) -> float:
        """Root mean square change of amplitudes, relative to their mean size."""
        change = self.amplitude[1] - self.amplitude[0]
        return float(np.sqrt((change**2).mean()) / np.abs(self.amplitude[0]).mean())


def decoded_cloud(method: Method, z: Float[Tensor, "v d"]) -> Gaussians:
    """The Gaussians at latents.

    Errors: InputError for a method whose density is no cloud of Gaussians, or that has no latent.
    """
    if method.latent_dim == 0:
        raise InputError(
            "Found a run of latent dimension 0, in which nothing moves; wanted one with latents. Train with "
            "--latent-dim 1 or more."
        )
    volume = method.decode(z)
    if not isinstance(volume, Gaussians):
        raise InputError(
            f"Found a density of the kind {type(volume).__name__}, which has no parts that could be "
            "followed; wanted Gaussians, as the method gaussians has them. Look at maps instead: "
            "trimorph volumes RUN --pc 1"
        )
    return volume
