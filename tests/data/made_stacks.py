"""Stacks of images made for a test, with tables that know all about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.core.ctf import CTF
from trimorph.data.mrc import write_stack
from trimorph.data.tables import ParticleTable, make_table

FLAT = CTF(defocus_u=0.0, defocus_v=0.0, spherical_aberration=0.0, amplitude_contrast=1.0)


def made_table(
    folder: Path, images: NDArray[Any], *, pixel_size: float = 2.0, name: str = "a.mrcs", **known: Any
) -> ParticleTable:
    """Write images as a stack; poses are the identity and the CTF is 1 unless given."""
    path = folder / name
    write_stack(path, images, pixel_size, overwrite=True)
    known = {"rotation": np.broadcast_to(np.eye(3), (len(images), 3, 3)), "ctf": FLAT, **known}
    return make_table(path, len(images), pixel_size=pixel_size, box=images.shape[-1], **known)


def noise(count: int, box: int, *, seed: int = 0) -> NDArray[np.float32]:
    """White noise of standard deviation 1."""
    return np.random.default_rng(seed).normal(size=(count, box, box)).astype(np.float32)


def blob(box: int, pixel_size: float, *, width: float, place: tuple[float, float]) -> NDArray[np.float64]:
    """A Gaussian of standard deviation ``width`` (Å) at ``place`` (x, y; Å from the origin pixel)."""
    axis = (np.arange(box) - box // 2) * pixel_size
    x2, y2 = (axis - place[0]) ** 2, (axis - place[1]) ** 2
    return np.exp(-(y2[:, None] + x2) / (2 * width**2))
