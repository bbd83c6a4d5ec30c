"""Image formation against numbers that cisTEM, RELION and torch-fourier-slice recorded or give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import starfile
import torch
from torch import Tensor
from torch_fourier_slice import project_3d_to_2d

from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.gaussians import Gaussians
from trimorph.core.imaging import render, shift_phase
from trimorph.core.losses import correlation
from trimorph.core.rotations import euler_to_matrix
from trimorph.core.voxel_grid import VoxelGrid, resample

Shared = Callable[[str], Path]


def _mrc(path: Path) -> Tensor:
    return torch.from_numpy(np.array(mrcfile.read(path), dtype=np.float32))


def _rows(path: Path) -> Any:
    return starfile.read(path, always_dict=True)["particles"]


def _columns(rows: Any, *names: str) -> Tensor:
    return torch.tensor(rows[list(names)].to_numpy(dtype=np.float32))


def _poses(rows: Any) -> Tensor:
    return euler_to_matrix(torch.deg2rad(_columns(rows, "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")))


def _pearson(a: Tensor, b: Tensor) -> Tensor:
    a, b = (values.flatten(1) - values.flatten(1).mean(1, keepdim=True) for values in (a, b))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))


def test_slices_of_cistem(shared: Shared) -> None:
    recorded = np.load(shared("golden/cistem_projection.npz"))
    disk = FourierDisk(64, 1.0)
    rotation = euler_to_matrix(torch.deg2rad(torch.from_numpy(recorded["angles"]).float()))
    volume = VoxelGrid(torch.from_numpy(recorded["volume"])[None], 1.0)
    theirs = torch.from_numpy(recorded["projections"])
    ours = volume.project(rotation, disk)
    assert float(correlation(ours, disk.transform(theirs), disk=disk).min()) >= 0.997
    # in real space too, where the frequencies beyond Nyquist that the disk leaves out count as errors
    assert float(_pearson(disk.inverse(ours), theirs).min()) >= 0.9965
    mirrored = volume.project(rotation.mT, disk)
    assert float(correlation(mirrored, disk.transform(theirs), disk=disk)[1:].median()) < 0.9


@pytest.mark.parametrize("name", ["centered", "shifted"])
def test_projections_of_relion(shared: Shared, name: str) -> None:
    rows = _rows(shared(f"golden/rln_proj_64_{name}.star"))
    theirs = _mrc(shared(f"golden/rln_proj_64_{name}.mrcs"))
    columns = ("rlnOriginXAngst", "rlnOriginYAngst") if name == "centered" else ("rlnOriginX", "rlnOriginY")
    map_65 = _mrc(shared("maps/clean70SRibosome_vol_65p.mrc"))
    disk = FourierDisk(64, 65 / 64)
    cropped = resample(map_65[None], 1.0, box=64, pixel_size=disk.pixel_size)
    shift = _columns(rows, *columns) * disk.pixel_size  # RELION was told of pixels of 1 Å
    for volume in (VoxelGrid(cropped, disk.pixel_size), VoxelGrid(map_65[None], 1.0)):
        ours = volume.project(_poses(rows), disk) * shift_phase(-shift, disk)
        assert float(correlation(ours, disk.transform(theirs), disk=disk).min()) >= 0.999
    if name == "shifted":
        wrong = volume.project(_poses(rows), disk) * shift_phase(shift, disk)
        assert float(correlation(wrong, disk.transform(theirs), disk=disk).max()) < 0.5


@pytest.mark.parametrize("kind", ["voxels", "gaussian"])
def test_point_mass_with_pose_shift_and_ctf_of_relion(shared: Shared, kind: str) -> None:
    rows = _rows(shared("golden/relion_proj_batch_pfac3.star"))
    theirs = _mrc(shared("golden/relion_proj_batch_pfac3.mrcs"))
    pixel_size = 3.54
    disk = FourierDisk(64, pixel_size)
    ctf = CTF(
        defocus_u=_columns(rows, "rlnDefocusU"),
        defocus_v=_columns(rows, "rlnDefocusV"),
        defocus_angle=torch.deg2rad(_columns(rows, "rlnDefocusAngle")),
        phase_shift=torch.deg2rad(_columns(rows, "rlnPhaseShift")),
        voltage=200.0,
        spherical_aberration=1.4,
        amplitude_contrast=0.1,
    )
    volume: VoxelGrid | Gaussians = VoxelGrid(_mrc(shared("golden/relion_pointmass.mrc"))[None], pixel_size)
    if kind == "gaussian":
        position = torch.tensor([[[49.0 - 32, 0.0, 0.0]]]) * pixel_size
        volume = Gaussians(position, torch.full((1, 1), pixel_size**3), torch.full((1, 1), 1e-3))
    ours = render(
        volume,
        rotation=_poses(rows),
        shift=_columns(rows, "rlnOriginXAngst", "rlnOriginYAngst"),
        ctf=ctf,
        disk=disk,
    )
    observed = disk.transform(theirs)
    assert float(correlation(ours, observed, disk=disk).min()) >= 0.998
    assert float((ours * observed.conj()).real.sum() / (ours.abs() ** 2).sum()) == pytest.approx(1, abs=0.01)


def test_slices_of_torch_fourier_slice(blobs: Callable[..., Gaussians], rotation: Tensor) -> None:
    voxels, disk = blobs().voxels(32, 2.0), FourierDisk(32, 2.0)
    theirs = project_3d_to_2d(voxels[0], rotation.mT, pad_factor=3.0)
    ours = VoxelGrid(voxels, 2.0).project(rotation, disk)
    assert float(correlation(ours, disk.transform(theirs), disk=disk).min()) >= 0.999
