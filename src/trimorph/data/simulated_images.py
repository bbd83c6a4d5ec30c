"""Write simulated images in two passes, holding few at a time: first the signal, then the noise over it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.gridding import Gridding
from trimorph.core.imaging import render
from trimorph.core.volume import AbstractVolume
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.data.acquisition import Acquisition
from trimorph.data.mrc_header import build_header
from trimorph.data.noise_profile import NoiseProfile
from trimorph.data.scattering import AtomicDensity
from trimorph.data.scene import Scene

Progress = Callable[[int, int], None]

EXACT = Gridding(width=6)
"""Kernel of the slices of maps: 9e-6 from the exact Fourier sum."""

_PIXELS_AT_ONCE = 20_000
_ATOM_PHASES_AT_ONCE = 6_000_000
_IMAGES_AT_ONCE = 512


@dataclass(frozen=True)
class Levels:
    """What was measured of the signal and added as noise: variances and deviations of a pixel."""

    signal_variance: float
    noise_sigma: float


def write_images(
    path: Path,
    scene: Scene,
    state: NDArray[np.int64],
    acquisition: Acquisition,
    *,
    snr: float | None,
    whole_box: bool,
    profile: NoiseProfile,
    seed: int,
    progress: Progress | None = None,
) -> Levels:
    """Write image i of state ``state[i]`` to an MRC stack at ``path`` and return the levels.

    The signal's variance is the mean over all images of the variance over the whole box, or over the disk of
    the particle's diameter; the noise's is that over ``snr``. The noise of an image
    depends on ``seed`` and its place alone.
    """
    count, disk = len(state), FourierDisk(scene.box, scene.pixel_size)
    tell = progress or _silent
    total = (1 if snr is None else 2) * count
    region = np.ones((disk.box, disk.box), bool) if whole_box else _disk_region(scene)
    with _StackFile(path, count, disk) as stack:
        done, variance = 0, 0.0
        for number in np.unique(state):
            volume = renderer(scene, int(number))
            rows = np.flatnonzero(state == number)
            for part in np.array_split(rows, -(-len(rows) // images_at_once(volume, disk))):
                images = _signal(volume, acquisition, part, disk)
                stack.write(part, images)
                variance += float(images[:, region].var(axis=1, dtype=np.float64).sum()) / count
                done += len(part)
                tell(done, total)
        if snr is None:
            return Levels(variance, 0.0)
        sigma = (variance / snr) ** 0.5
        amplitude = profile.filter(disk.box, disk.pixel_size) * np.float32(sigma)
        for start in range(0, count, _IMAGES_AT_ONCE):
            rows = np.arange(start, min(start + _IMAGES_AT_ONCE, count))
            stack.write(rows, stack.read(rows) + _noise(rows, amplitude, seed))
            tell(count + int(rows[-1]) + 1, total)
    return Levels(variance, sigma)


def renderer(scene: Scene, number: int) -> AbstractVolume:
    """What images of a state are made of: its atoms, or its map."""
    return state_grid(scene, number) if scene.voxels else scene.ensemble.volumes[number]


def state_grid(scene: Scene, number: int) -> VoxelGrid:
    """The map of a state on the images' own grid, sliced exactly."""
    volume = scene.ensemble.volumes[number]
    return VoxelGrid(volume.voxels(scene.box, scene.pixel_size), scene.pixel_size, EXACT)


def images_at_once(volume: AbstractVolume, disk: FourierDisk) -> int:
    """How many images of a volume are projected at once, for memory's sake."""
    if isinstance(volume, AtomicDensity):
        return max(1, min(256, _ATOM_PHASES_AT_ONCE // (volume.atoms * 2 * disk.box)))
    return max(1, _PIXELS_AT_ONCE // len(disk))


class _StackFile:
    """An MRC stack whose images are written and read in any order."""

    def __init__(self, path: Path, count: int, disk: FourierDisk) -> None:
        self._box, self._header = (
            disk.box,
            build_header((count, disk.box, disk.box), pixel_size=disk.pixel_size, stack=True),
        )
        self._file = path.open("wb+")
        self._size = disk.box**2 * 4

    def __enter__(self) -> _StackFile:
        self._file.write(self._header)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, rows: NDArray[np.int64], images: NDArray[np.float32]) -> None:
        for row, image in zip(rows, images, strict=True):
            self._file.seek(len(self._header) + int(row) * self._size)
            self._file.write(np.ascontiguousarray(image, "<f4").data)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read successive rows."""
        self._file.flush()
        data = os.pread(
            self._file.fileno(), len(rows) * self._size, len(self._header) + int(rows[0]) * self._size
        )
        return np.frombuffer(data, "<f4").reshape(-1, self._box, self._box)


def _silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


def _disk_region(scene: Scene) -> NDArray[np.bool_]:
    axis = (np.arange(scene.box) - scene.box // 2) * scene.pixel_size
    return np.asarray(np.hypot(axis[:, None], axis) <= 0.5 * scene.diameter)


def _signal(
    volume: AbstractVolume, acquisition: Acquisition, rows: NDArray[np.int64], disk: FourierDisk
) -> NDArray[np.float32]:
    ctf: CTF = acquisition.ctf[rows]
    half = render(
        volume,
        rotation=torch.as_tensor(acquisition.rotation[rows], dtype=torch.float32),
        shift=torch.as_tensor(acquisition.shift[rows], dtype=torch.float32),
        ctf=ctf,
        disk=disk,
    )
    return np.asarray(disk.inverse(half).numpy())


def _noise(rows: NDArray[np.int64], amplitude: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    box = amplitude.shape[0]
    white = np.stack(
        [
            np.random.Generator(np.random.Philox(key=[seed, int(row)])).standard_normal(
                (box, box), np.float32
            )
            for row in rows
        ]
    )
    if np.ptp(amplitude) == 0:
        return white * amplitude[0, 0]
    spectrum = torch.fft.rfft2(torch.from_numpy(white)) * torch.from_numpy(amplitude)
    return np.asarray(torch.fft.irfft2(spectrum, s=(box, box)).numpy())
