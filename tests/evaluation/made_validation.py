"""Images of blobs that move or not, in memory, as the validation sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.noise import NoiseModel
from trimorph.core.rotations import random_rotations
from trimorph.data.tables import make_table
from trimorph.evaluation.validate_images import SeenImages

BOX, PIXEL = 20, 8.0


def blob(x: float, y: float, z: float, *, width: float = 14.0, weight: float = 1.0) -> torch.Tensor:
    """A Gaussian at a place in Å from the centre."""
    axis = (torch.arange(BOX) - BOX // 2) * PIXEL
    distance = (axis[:, None, None] - z) ** 2 + (axis[:, None] - y) ** 2 + (axis - x) ** 2
    return weight * torch.exp(-distance / (2 * width**2))


BODY = blob(0, 0, 0, width=16.0) + blob(20, -10, 15) + blob(-15, 20, -10)


def empty_images(count: int, *, seed: int = 0, noise: float = 1.0) -> SeenImages:
    """Poses, CTFs, half sets and coloured noise power, and images that are zero."""
    generator = torch.Generator().manual_seed(seed)
    disk = FourierDisk(BOX, PIXEL).limit(resolution=20.0)
    defocus = 8000 + 15000 * torch.rand(count, generator=generator)
    rotation = random_rotations(count, generator=generator)
    ring = torch.arange(BOX // 2 + 1)
    batch = Batch(
        index=torch.arange(count),
        image=torch.zeros(count, len(disk), dtype=torch.complex64),
        rotation=rotation.float(),
        shift=torch.zeros(count, 2),
        ctf=CTF(defocus_u=defocus, defocus_v=defocus)[...].to("cpu"),
        group=torch.zeros(count, dtype=torch.int64),
        disk=disk,
    )
    table = make_table(
        Path("images.mrcs"), count, pixel_size=PIXEL, box=BOX, rotation=rotation.double().numpy()
    )
    half = np.random.default_rng(seed).permutation(count) % 2
    power = noise * BOX**2 * (1.5 - 0.05 * ring)[None]
    return SeenImages(batch, NoiseModel(power), table, half, np.arange(count), 65.0)


def images_of(volumes: list[torch.Tensor], count: int, *, seed: int = 0, noise: float = 1.0) -> SeenImages:
    """Images of volumes, each as often."""
    state = np.random.default_rng(seed).integers(len(volumes), size=count)
    return empty_images(count, seed=seed, noise=noise).drawn(torch.stack(volumes), state, seed=seed + 1)
