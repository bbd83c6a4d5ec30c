"""The image model: project, multiply by the CTF, shift. It is written here and nowhere else."""

from __future__ import annotations

from math import pi

import torch
from jaxtyping import Complex, Float, Shaped
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.volume import AbstractVolume


def render(
    volume: AbstractVolume,
    *,
    rotation: Float[Tensor, "b 3 3"],
    shift: Float[Tensor, "b 2"] | None,
    ctf: CTF,
    disk: FourierDisk,
) -> Complex[Tensor, "b n"]:
    """Noise-free images: CTF x slice, moved by minus ``shift`` (Å).

    With ``shift`` None the images are centred, as :class:`Batch` holds them unless poses are refined.

    >>> from trimorph.core.voxel_grid import VoxelGrid
    >>> point = torch.zeros(1, 16, 16, 16); point[0, 8, 8, 8] = 1.0
    >>> disk, ctf = FourierDisk(16, 3.0), CTF(defocus_u=10000.0, defocus_v=10000.0)
    >>> image = render(VoxelGrid(point, 3.0), rotation=torch.eye(3)[None], shift=None, ctf=ctf, disk=disk)
    >>> torch.allclose(image.real, ctf(disk), atol=1e-3)
    True
    """
    return volume.project(rotation, disk) * transfer(ctf, shift=shift, disk=disk)


def transfer(ctf: CTF, *, shift: Float[Tensor, "b 2"] | None, disk: FourierDisk) -> Shaped[Tensor, "#b n"]:
    """What makes an image of a slice: the CTF, and phases that move it by minus ``shift`` (Å)."""
    return ctf(disk) if shift is None else ctf(disk) * shift_phase(-shift, disk)


def shift_phase(shift: Float[Tensor, "b 2"], disk: FourierDisk) -> Complex[Tensor, "b n"]:
    """Phases that move an image's content by +shift (Å; x, y): exp(-2 pi i k shift)."""
    kx, ky = disk.frequency.to(shift.dtype).unbind(-1)
    angle = -2 * pi * (shift[:, :1] * kx + shift[:, 1:] * ky)
    return torch.complex(angle.cos(), angle.sin())


def render_batch(volume: AbstractVolume, batch: Batch) -> Complex[Tensor, "b n"]:
    """Predict the images of a batch at its own poses and CTFs, on its own disk."""
    return render(volume, rotation=batch.rotation, shift=batch.shift, ctf=batch.ctf, disk=batch.disk)
