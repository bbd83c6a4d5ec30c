"""AbstractVolume: what can be projected and put on a grid."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Complex, Float
from torch import Tensor

from trimorph.core.disk import FourierDisk


class AbstractVolume(ABC):
    """One density, or one an image: ``v`` is 1 or the number of images ``b``.

    A volume knows nothing of CTF, noise or latents. Final classes: VoxelGrid, FourierField, Gaussians.
    """

    @abstractmethod
    def project(self, rotation: Float[Tensor, "b 3 3"], disk: FourierDisk) -> Complex[Tensor, "b n"]:
        """Central slices: the transforms of the projections along the image's z axis."""

    @abstractmethod
    def voxels(self, box: int, pixel_size: float) -> Float[Tensor, "v box box box"]:
        """Densities on a grid [z, y, x], origin at voxel ``box // 2``."""
