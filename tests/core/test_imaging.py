"""The image model against real space: sums, rolls, and a CTF on the full plane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.gaussians import Gaussians
from trimorph.core.gridding import Gridding
from trimorph.core.imaging import render, render_batch, shift_phase
from trimorph.core.voxel_grid import VoxelGrid

PIXEL_SIZE = 2.0


@pytest.mark.parametrize("box", [15, 16])
def test_shift_phase_moves_the_content_as_roll_does(box: int) -> None:
    """+x is along columns and +y along rows; the shift is in Å."""
    disk = FourierDisk(box, PIXEL_SIZE)
    image = disk.inverse(disk.transform(torch.randn(1, box, box, generator=torch.Generator().manual_seed(1))))
    for columns, rows in ((3, 0), (0, -2), (-4, 5)):
        shift = torch.tensor([[columns, rows]]) * PIXEL_SIZE
        moved = disk.inverse(disk.transform(image) * shift_phase(shift, disk))
        torch.testing.assert_close(moved, torch.roll(image, (rows, columns), (1, 2)), rtol=0, atol=1e-5)


def test_shifts_add_and_undo_each_other() -> None:
    disk = FourierDisk(16, PIXEL_SIZE)
    a, b = torch.tensor([[1.3, -0.4]]), torch.tensor([[-2.2, 5.1]])
    product = shift_phase(a, disk) * shift_phase(b, disk)
    torch.testing.assert_close(product, shift_phase(a + b, disk), rtol=0, atol=1e-5)
    torch.testing.assert_close(shift_phase(a, disk).conj(), shift_phase(-a, disk))


def test_rendered_image_is_moved_by_minus_the_shift() -> None:
    """The shift centres the observed image: a particle seen 3 columns to the right has shift -3 pixels."""
    disk = FourierDisk(16, PIXEL_SIZE)
    blob = Gaussians(torch.zeros(1, 1, 3), torch.ones(1, 1), torch.full((1, 1), 3.0))
    in_focus = CTF(0.0, 0.0, amplitude_contrast=1.0, spherical_aberration=0.0)
    shift = torch.tensor([[-6.0, 4.0]])
    values = render(blob, rotation=torch.eye(3)[None], shift=shift, ctf=in_focus, disk=disk)
    row, column = divmod(int(disk.inverse(values).argmax()), 16)
    assert (column, row) == (8 + 3, 8 - 2)
    centred = render(blob, rotation=torch.eye(3)[None], shift=None, ctf=in_focus, disk=disk)
    torch.testing.assert_close(values * shift_phase(shift, disk), centred, rtol=0, atol=1e-6)


def test_render_equals_the_route_through_real_space(blobs: Callable[..., Gaussians]) -> None:
    """Turn the voxels (a quarter turn about y), sum along z, roll, and apply the CTF on the full plane."""
    box = 25
    voxels = blobs().voxels(box, PIXEL_SIZE)
    about_y = torch.tensor([[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]])  # x' = z, z' = -x
    turned = voxels[0].permute(2, 1, 0).flip(0)  # turned[z', y', x'] = voxels[x', y', -z']
    image = np.roll(turned.sum(0).double().numpy(), (-2, 3), (0, 1))

    frequency = np.fft.fftfreq(box, PIXEL_SIZE)
    ky, kx = frequency[:, None], frequency[None, :]
    k2, azimuth, wavelength = kx**2 + ky**2, np.arctan2(ky, kx), 0.0196875
    defocus = 14000.0 + 2000.0 * np.cos(2 * (azimuth - 0.5))
    gamma = np.pi * wavelength * k2 * defocus - 0.5 * np.pi * 2.7e7 * wavelength**3 * k2**2
    transfer = np.sqrt(1 - 0.1**2) * np.sin(gamma) + 0.1 * np.cos(gamma)
    observed = np.fft.ifft2(np.fft.fft2(image) * transfer).real

    disk = FourierDisk(box, PIXEL_SIZE)
    values = render(
        VoxelGrid(voxels, PIXEL_SIZE, Gridding(6)),
        rotation=about_y,
        shift=torch.tensor([[-3.0, 2.0]]) * PIXEL_SIZE,
        ctf=CTF(16000.0, 12000.0, 0.5),
        disk=disk,
    )
    rendered = disk.inverse(values)[0].numpy()
    # the corners of the plane, beyond the Nyquist circle, are not on the disk
    observed = disk.inverse(disk.transform(torch.from_numpy(observed)[None]))[0].numpy()
    assert np.abs(rendered - observed).max() < 1e-3 * observed.std()


def test_render_batch_uses_the_poses_of_the_batch(rotation: Tensor, blobs: Callable[..., Gaussians]) -> None:
    disk, cloud = FourierDisk(24, PIXEL_SIZE).limit(resolution=10.0), blobs(volumes=5)
    ctf = CTF(defocus_u=torch.linspace(9e3, 2e4, 5), defocus_v=torch.linspace(9e3, 2e4, 5))
    shift = torch.linspace(-4, 4, 10).view(5, 2)
    batch = Batch(
        index=torch.arange(5),
        image=torch.zeros(5, len(disk), dtype=torch.complex64),
        rotation=rotation,
        shift=shift,
        ctf=ctf,
        group=torch.zeros(5, dtype=torch.long),
        disk=disk,
    )
    together = render_batch(cloud, batch)
    for i in range(5):
        one = Gaussians(cloud.position[i : i + 1], cloud.amplitude[i : i + 1], cloud.width[i : i + 1])
        alone = render(
            one, rotation=rotation[i : i + 1], shift=shift[i : i + 1], ctf=ctf[i : i + 1], disk=disk
        )
        torch.testing.assert_close(together[i], alone[0], rtol=0, atol=1e-5)


def test_geometry_keeps_its_precision_under_autocast(rotation: Tensor) -> None:
    """Autocast is for networks: slices and shifts rounded to bfloat16 would be wrong by percents."""
    density = torch.zeros(1, 16, 16, 16)
    density[0, 11, 4, 9] = 1.0
    cloud = Gaussians(torch.tensor([[[6.0, -8.0, 2.0]]]), torch.ones(1, 1), torch.full((1, 1), 3.0))
    disk, shift = FourierDisk(16, 2.0), torch.tensor([[3.3, -1.7]]).expand(len(rotation), -1)
    ctf = CTF(defocus_u=9000.0, defocus_v=8000.0)
    for volume in (VoxelGrid(density, 2.0), cloud):
        exact = render(volume, rotation=rotation, shift=shift, ctf=ctf, disk=disk)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            under_autocast = render(volume, rotation=rotation, shift=shift, ctf=ctf, disk=disk)
        assert torch.equal(under_autocast, exact)
