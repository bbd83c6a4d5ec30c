"""A stack of simulated images held in memory: the test double of a particle stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF, CTF_PARAMETERS
from trimorph.core.disk import FourierDisk
from trimorph.core.gaussians import Gaussians
from trimorph.core.gridding import Gridding
from trimorph.core.noise import NoiseModel
from trimorph.core.rotations import random_rotations
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.data.tables import ParticleTable, make_table


@dataclass
class ImagesInMemory:
    """Transforms on the disk with poses, CTFs and white noise of power 1 / (n^2 sigma^2) known exactly."""

    disk: FourierDisk
    image: torch.Tensor
    rotation: torch.Tensor
    ctf: CTF
    noise: NoiseModel
    table: ParticleTable
    shift: torch.Tensor | None = None

    @property
    def box(self) -> int:
        return self.disk.box

    @property
    def pixel_size(self) -> float:
        return self.disk.pixel_size

    def __len__(self) -> int:
        return len(self.image)

    def batches(
        self, order: np.ndarray, batch_size: int, *, limit: FourierDisk | None = None
    ) -> Iterator[Batch]:
        disk = limit or self.disk
        for start in range(0, len(order), batch_size):
            index = torch.as_tensor(order[start : start + batch_size])
            shift = torch.zeros(len(index), 2) if self.shift is None else self.shift[index]
            yield Batch(
                index=index,
                image=self.image[index][:, : len(disk)],
                rotation=self.rotation[index],
                shift=shift,
                ctf=self.ctf[index],
                group=torch.zeros(len(index), dtype=torch.int64),
                disk=disk,
            )


def blobs(
    box: int, pixel_size: float, *, seed: int = 0, spread: float = 0.11, count: int = 200
) -> torch.Tensor:
    """A density of random Gaussians of one voxel's width, well inside the box."""
    generator = torch.Generator().manual_seed(seed)
    position = torch.randn(1, count, 3, generator=generator) * spread * box * pixel_size
    amplitude = 50 + 100 * torch.rand(1, count, generator=generator)
    width = torch.full((1, count), 0.8 * pixel_size)
    return Gaussians(position, amplitude, width).voxels(box, pixel_size)[0]


def simulate_images(
    density: torch.Tensor, *, pixel_size: float, count: int, snr: float | None, seed: int = 0
) -> ImagesInMemory:
    """Slices of a density at random poses times CTF, with white noise at a whole-box variance ratio."""
    disk = FourierDisk(density.shape[-1], pixel_size)
    generator = torch.Generator().manual_seed(seed)
    rotation = random_rotations(count, generator=generator).float()
    defocus = 8000 + 15000 * torch.rand(count, generator=generator)
    ctf = CTF(defocus_u=defocus, defocus_v=defocus - 300, defocus_angle=0.4)
    volume = VoxelGrid(density[None], pixel_size, Gridding(4))
    image = torch.cat(
        [
            volume.project(rotation[i : i + 100], disk) * ctf[torch.arange(i, min(i + 100, count))](disk)
            for i in range(0, count, 100)
        ]
    )
    power = torch.ones(1, disk.box // 2 + 1)
    if snr is not None:
        # Parseval: the mean square of an image without its mean is sum |F|^2 weight / n^4
        signal = (image.abs() ** 2 * disk.weight * (disk.radius > 0)).sum(-1).mean() / disk.box**4
        sigma = float(signal / snr) ** 0.5
        noise = torch.randn(count, disk.box, disk.box, generator=generator) * sigma
        image = image + disk.transform(noise)
        power = power * disk.box**2 * sigma**2
    table = make_table(Path("images.mrcs"), count, pixel_size=pixel_size, box=disk.box)
    return ImagesInMemory(disk, image, rotation, ctf, NoiseModel(power), table)


def joined(parts: Sequence[ImagesInMemory]) -> ImagesInMemory:
    """Images of several densities, one after the other, as one stack with the noise of the first."""
    first, count = parts[0], sum(len(part) for part in parts)
    ctf = {
        name: torch.cat([torch.as_tensor(getattr(part.ctf, name)).expand(len(part)) for part in parts])
        for name in CTF_PARAMETERS
    }
    return replace(
        first,
        image=torch.cat([part.image for part in parts]),
        rotation=torch.cat([part.rotation for part in parts]),
        ctf=CTF(**ctf),
        table=make_table(Path("images.mrcs"), count, pixel_size=first.pixel_size, box=first.box),
    )
