"""Images of known densities held in memory, and a method trained on them: what the tests of methods share."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.gaussians import Gaussians
from trimorph.core.imaging import render
from trimorph.core.noise import NoiseModel
from trimorph.core.rotations import random_rotations
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.methods.base import Method, Problem
from trimorph.methods.mode_frame import coarsest_grid
from trimorph.reconstruction.mask import spherical_mask
from trimorph.training.checkpoint import checkpoints
from trimorph.training.processes import joined
from trimorph.training.settings import TrainingSettings
from trimorph.training.trainer import Trainer

PIXEL_SIZE = 4.0
MODES_RESOLUTION = 16.0


@dataclass
class MadeImages:
    """A stack without files. ``shift`` is the part of the shift that the images still have."""

    disk: FourierDisk
    image: Tensor
    rotation: Tensor
    shift: Tensor
    ctf: CTF
    noise: NoiseModel

    def __len__(self) -> int:
        return len(self.image)

    def batches(self, order: Any, batch_size: int, *, limit: FourierDisk | None = None) -> Generator[Batch]:
        for start in range(0, len(order), batch_size):
            batch = self.batch(torch.as_tensor(order[start : start + batch_size]))
            yield batch if limit is None else batch.limit(limit)

    def batch(self, index: Tensor) -> Batch:
        return Batch(
            index=index,
            image=self.image[index],
            rotation=self.rotation[index],
            shift=self.shift[index],
            ctf=self.ctf[index],
            group=torch.zeros(len(index), dtype=torch.long),
            disk=self.disk,
        )

    def problem(self, mean: Tensor | None = None, *, mask: Tensor | None = None) -> Problem:
        """All that a method may ask for: the mask is a ball of the particle, the modes are random."""
        box, pixel_size = self.disk.box, self.disk.pixel_size
        coarse, _ = coarsest_grid(self.disk.limit(resolution=MODES_RESOLUTION))
        generator = torch.Generator().manual_seed(0)
        return Problem(
            box,
            pixel_size,
            len(self),
            0.4 * box * pixel_size,
            self.noise,
            mean,
            mask=torch.as_tensor(spherical_mask(box, radius=0.4 * box, edge=2.0)) if mask is None else mask,
            half=torch.arange(len(self)) % 2,
            modes=0.1 * torch.randn(2, coarse, coarse, coarse, generator=generator),
            modes_resolution=MODES_RESOLUTION,
            latents=torch.randn(len(self), 3, generator=generator),
        )


def cloud(box: int, *centres: tuple[float, float, float]) -> Tensor:
    """Gaussians of 1.3 pixels at centres (x, y, z) in pixels, as a map (1, box, box, box) of peak about 1."""
    position = PIXEL_SIZE * torch.tensor([centres])
    width = torch.full((1, len(centres)), 1.3 * PIXEL_SIZE)
    return Gaussians(position, (2 * torch.pi * width**2) ** 1.5, width).voxels(box, PIXEL_SIZE)


def make_images(
    density: Tensor,
    label: Tensor,
    *,
    noise_level: float = 0.5,
    shift: Tensor | None = None,
    seed: int = 0,
) -> MadeImages:
    """Images of the maps ``density[label]``; see :func:`mix_images`."""
    weight = torch.nn.functional.one_hot(label, len(density)).float()
    return mix_images(density, weight, noise_level=noise_level, shift=shift, seed=seed)


def mix_images(
    density: Tensor,
    weight: Tensor,
    *,
    noise_level: float = 0.5,
    shift: Tensor | None = None,
    seed: int = 0,
) -> MadeImages:
    """Slices of sum_s weight[i, s] density[s] at random poses, times CTF, with white noise a pixel."""
    box, count = density.shape[-1], len(weight)
    disk, generator = FourierDisk(box, PIXEL_SIZE), torch.Generator().manual_seed(seed)
    rotation = random_rotations(count, generator=generator).float()
    defocus = 8000 + 8000 * torch.rand(count, generator=generator)
    ctf = CTF(defocus_u=defocus, defocus_v=defocus - 200).to("cpu")
    shift = torch.zeros(count, 2) if shift is None else shift
    image = torch.zeros(count, len(disk), dtype=torch.complex64)
    for state, values in enumerate(density):
        rows = torch.nonzero(weight[:, state]).flatten()
        image[rows] += weight[rows, state, None] * render(
            VoxelGrid(values[None], PIXEL_SIZE),
            rotation=rotation[rows],
            shift=shift[rows],
            ctf=ctf[rows],
            disk=disk,
        )
    image = image + disk.transform(noise_level * torch.randn(count, box, box, generator=generator))
    noise = NoiseModel(torch.full((1, box // 2 + 1), box**2 * noise_level**2))
    return MadeImages(disk, image, rotation, shift, ctf, noise)


def train(
    method: Method,
    images: MadeImages,
    folder: Path,
    *,
    problem: Problem,
    batch_size: int = 25,
    checkpoint_every: int = 1000,
) -> None:
    """Run the real loop on one CPU thread, from the folder's latest checkpoint where there is one."""
    folder.mkdir(exist_ok=True)
    settings = TrainingSettings(
        batch_size=batch_size, precision="float32", checkpoint_every=checkpoint_every, threads=1
    )
    with joined("cpu") as processes:
        trainer = Trainer(method, images, settings, problem=problem, folder=folder, processes=processes)
        found = checkpoints(folder / "checkpoints")
        if found:
            trainer.load(found[-1])
        trainer.fit()
