"""ModeFrame: what images say of a few modes of density, at their own poses and CTFs.

Letters: s sets of modes, k modes, j components, c box of the modes' grid, b images, n pixels of the disk,
m = 2 n numbers of an image.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.imaging import transfer
from trimorph.core.linear_gaussian import LinearGaussian
from trimorph.core.noise import NoiseModel
from trimorph.core.shared_slices import SharedSlices
from trimorph.core.voxel_grid import resample


class ModeFrame(nn.Module):
    """The linear model y = CTF slice(mean + sum_k z_k V_k) + noise, up to a resolution in Å.

    Modes are voxels of the coarsest grid that holds the resolution; their grid spans the images' box. The
    noise is that before the images' window, as the density lies inside it. With ``contrast``, the standard
    deviation of the particles' amplitude, the mean itself is a further component: it is the first of the
    posterior's, and nobody's latent.
    """

    def __init__(
        self,
        mean: Float[Tensor, "d d d"],
        noise: NoiseModel,
        *,
        disk: FourierDisk,
        resolution: float,
        contrast: float = 0.0,
    ) -> None:
        super().__init__()
        self.disk = disk.limit(resolution=resolution)
        self.box, self.pixel_size = coarsest_grid(self.disk)
        self.contrast = contrast
        coarse = resample(mean, disk.pixel_size, box=self.box, pixel_size=self.pixel_size)
        self.register_buffer("mean", coarse)
        self.register_buffer("noise_power", noise.power.clone())
        self.mean: Tensor
        self.noise_power: Tensor
        self._shared: dict[Any, SharedSlices] = {}

    def posterior(
        self,
        sets: Float[Tensor, "s k c c c"],
        batch: Batch,
        *,
        which: Int[Tensor, " b"] | None = None,
    ) -> tuple[LinearGaussian, Float[Tensor, " b"]]:
        """Posterior of each image's components in units of the prior, and its log-likelihood.

        ``which`` is the set of modes for each image; the first by default. The log-likelihood is up to the
        same constant for all models.
        """
        batch = batch.limit(batch.disk.first(len(self.disk)))
        with torch.autocast(batch.disk.device.type, enabled=False):
            design, data = self._whitened(sets, batch, which)
            found = LinearGaussian.of(design, data)
            return found, found.gain.sum(-1) - 0.5 * (data**2).sum(-1)

    def _whitened(
        self, sets: Float[Tensor, "s k c c c"], batch: Batch, which: Int[Tensor, " b"] | None
    ) -> tuple[Float[Tensor, "b m j"], Float[Tensor, "b m"]]:
        """What each component adds to an image, and the image less the mean, in units of the noise."""
        shared, disk = self._slices(batch.disk), batch.disk
        tables = [self._table(torch.cat([self.mean[None], modes]), shared) for modes in sets]
        taps = shared.taps(batch.rotation, disk)
        if which is not None:
            taps = taps.moved(which * len(tables[0]))
        slices = shared.slices(torch.cat(tables), taps)
        unit = (disk.weight / NoiseModel(self.noise_power).at(disk, batch.group)).sqrt()
        whitened = unit * transfer(batch.ctf, shift=batch.shift, disk=disk)
        model = torch.view_as_real(torch.view_as_complex(slices) * whitened[..., None])
        data = torch.view_as_real(batch.image * unit) - model[:, :, 0]
        columns = torch.cat([self.contrast * model[:, :, :1], model[:, :, 1:]], 2)
        columns = columns if self.contrast else columns[:, :, 1:]
        return columns.movedim(2, 3).flatten(1, 2), data.flatten(1)

    def _table(self, values: Float[Tensor, "k c c c"], shared: SharedSlices) -> Float[Tensor, "r k2"]:
        coarse = resample(values, self.pixel_size, box=shared.box, pixel_size=shared.pixel_size)
        return shared.table(coarse)

    def _slices(self, disk: FourierDisk) -> SharedSlices:
        key = (len(disk), disk.device)
        if key not in self._shared:
            self._shared[key] = SharedSlices(*coarsest_grid(disk), disk)
        return self._shared[key]


def coarsest_grid(disk: FourierDisk) -> tuple[int, float]:
    """Voxels a side, and their size in Å, of the smallest grid with a disk's extent and frequencies."""
    box = min(2 * (ceil(float(disk.radius[-1])) + 1), disk.box)
    return box, disk.box * disk.pixel_size / box
