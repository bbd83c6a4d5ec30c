"""What each image tells of its state to an observer who knows all the rest: the ceiling of any method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.imaging import transfer
from trimorph.core.shared_slices import SharedSlices
from trimorph.core.volume import AbstractVolume
from trimorph.data.acquisition import Acquisition
from trimorph.data.mrc import open_stack
from trimorph.data.noise_profile import NoiseProfile
from trimorph.data.scene import Scene
from trimorph.data.simulated_images import EXACT, Progress, images_at_once, renderer, state_grid

_TABLE_BYTES, _PIXELS_AT_ONCE = 1_500_000_000, 20_000

Slices = Callable[[Tensor, FourierDisk], Tensor]


def state_posterior(
    stack: Path,
    scene: Scene,
    acquisition: Acquisition,
    *,
    noise_sigma: float,
    profile: NoiseProfile,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Exact probability (n, s) of each state given the image, the maps, its pose, shift, CTF and the noise.

    p(s | y) ~ weight_s exp(-sum_k w |y - c_s|^2 / (2 P)), with c_s the noise-free image of state s, P the
    noise power that was used at each frequency and w the Parseval weights. The sum runs over the disk; beyond
    it signals are zero and all states alike. ``progress`` counts images times states.
    """
    distance = _distances(
        stack, scene, acquisition, noise_sigma=noise_sigma, profile=profile, progress=progress
    )
    with np.errstate(divide="ignore"):  # a state that never occurs has a logarithm of minus infinity
        evidence = np.log(scene.ensemble.weights) - distance
    evidence -= evidence.max(axis=1, keepdims=True)
    probability = np.exp(evidence)
    return np.asarray(probability / probability.sum(axis=1, keepdims=True), np.float32)


def _distances(
    stack: Path,
    scene: Scene,
    acquisition: Acquisition,
    *,
    noise_sigma: float,
    profile: NoiseProfile,
    progress: Progress | None,
) -> NDArray[np.float64]:
    """sum_k w |y - c_s|^2 / (2 P) of each image and state."""
    file, disk = open_stack(stack), FourierDisk(scene.box, scene.pixel_size)
    amplitude = torch.from_numpy(profile.filter(disk.box, disk.pixel_size) * np.float32(noise_sigma))
    # per frequency and not per ring: between the middles of rings the simulated noise is not constant
    whiten = (0.5 * disk.weight).sqrt() / (disk.box * disk.gather(amplitude.to(torch.complex64)).real)
    count, states = len(acquisition), len(scene.ensemble)
    found = np.empty((count, states))
    done = 0
    for numbers, slices, at_once in _state_groups(scene, disk):
        for part in np.array_split(np.arange(count), -(-count // at_once)):
            seen = disk.transform(torch.from_numpy(file.read(part))) * whiten
            rotation = torch.as_tensor(acquisition.rotation[part], dtype=torch.float32)
            shift = torch.as_tensor(acquisition.shift[part], dtype=torch.float32)
            shown = slices(rotation, disk)
            shown *= (transfer(acquisition.ctf[part], shift=shift, disk=disk) * whiten)[..., None]
            shown -= seen[..., None]
            found[part, numbers.start : numbers.stop] = (
                torch.view_as_real(shown).square_().sum((1, 3)).numpy()
            )
            done += len(part) * len(numbers)
            if progress is not None:
                progress(done, count * states)
    return found


def _state_groups(scene: Scene, disk: FourierDisk) -> Iterator[tuple[range, Slices, int]]:
    """Numbers of states, what slices them, and how many images it takes at once.

    Maps are sliced together, as many as memory holds; atoms are projected state by state.
    """
    shared = SharedSlices(scene.box, scene.pixel_size, disk, EXACT)
    together = max(1, _TABLE_BYTES // (8 * shared.rows)) if scene.voxels else 1
    for start in range(0, len(scene.ensemble), together):
        numbers = range(start, min(start + together, len(scene.ensemble)))
        if scene.voxels:
            maps = (state_grid(scene, number).values for number in numbers)
            table = torch.cat([shared.table(values) for values in maps], dim=1)
            yield numbers, partial(_map_slices, shared, table), max(1, _PIXELS_AT_ONCE // len(disk))
        else:
            volume = renderer(scene, start)
            yield numbers, partial(_one_state, volume), images_at_once(volume, disk)


def _map_slices(shared: SharedSlices, table: Tensor, rotation: Tensor, disk: FourierDisk) -> Tensor:
    return torch.view_as_complex(shared.slices(table, shared.taps(rotation, disk)))


def _one_state(volume: AbstractVolume, rotation: Tensor, disk: FourierDisk) -> Tensor:
    return volume.project(rotation, disk)[..., None]
