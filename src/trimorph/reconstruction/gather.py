"""Sums over a stack of images: many weightings of the particles in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import starmap

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from trimorph.core.backprojection import BackProjector
from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.imaging import shift_phase
from trimorph.core.noise import NoiseModel
from trimorph.reconstruction.images import Images

Halves = tuple[BackProjector, BackProjector]
Pose = Callable[[Batch], Batch]


@dataclass(frozen=True, eq=False)
class Share:
    """What one pair of sums takes of the particles: each with a weight >= 0, and at a pose of its own.

    The weight multiplies the particle's precision; ``pose`` gives a batch at other poses than the stack's.
    """

    weight: Float[ndarray, " n"]
    pose: Pose | None = None


def gather(
    stack: Images,
    shares: Sequence[Share],
    *,
    sets: Int[ndarray, " n"],
    disk: FourierDisk,
    batch_size: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Halves]:
    """For each share, sums of half set 1 and of half set 2 on the disk's device; each image is read once.

    ``sets`` is 0 for particles left out. Images that no share takes are not read.
    """
    taken = np.logical_or.reduce([share.weight > 0 for share in shares])
    order = np.flatnonzero((sets > 0) & taken)
    found = [(BackProjector(disk), BackProjector(disk)) for _ in shares]
    noise, place, done = stack.noise.to(disk.device), disk.to("cpu"), 0
    with ThreadPoolExecutor(2) as pool:  # sums share nothing, so each can have a thread of its own
        for batch in stack.batches(order, batch_size, limit=place):
            jobs = _jobs(batch, shares, found, sets=sets, noise=noise)
            if torch.get_num_threads() == 1:
                list(starmap(_insert, jobs))
            else:
                list(pool.map(lambda job: _insert(*job), jobs))
            done += len(batch)
            if progress is not None:
                progress(done, len(order))
    return found


@dataclass(frozen=True, eq=False)
class _Posed:
    """A batch on the device of the sums, its images centred, with what multiplied them and their noise."""

    image: Tensor
    rotation: Tensor
    transfer: Tensor
    precision: Tensor


Job = tuple[BackProjector, _Posed, Tensor, Tensor]


def _jobs(
    batch: Batch, shares: Sequence[Share], found: Sequence[Halves], *, sets: ndarray, noise: NoiseModel
) -> list[Job]:
    """What is to be inserted where: the sums, the batch, and rows of it with their weights."""
    device = found[0][0].device
    index, there = batch.index.numpy(), batch.to(device)
    transfer = there.ctf(there.disk).expand(there.image.shape)
    precision = 1 / noise.at(there.disk, there.group)
    posed: dict[Pose | None, _Posed] = {}
    jobs: list[Job] = []
    for share, halves in zip(shares, found, strict=True):
        weight = share.weight[index]
        for number, sums in enumerate(halves, start=1):
            rows = np.flatnonzero((weight > 0) & (sets[index] == number))
            if not len(rows):
                continue
            if share.pose not in posed:
                other = batch if share.pose is None else share.pose(batch)
                posed[share.pose] = _at_pose(there, other, transfer, precision)
            part = torch.as_tensor(weight[rows], dtype=torch.float32, device=device)
            jobs.append((sums, posed[share.pose], torch.as_tensor(rows, device=device), part))
    return jobs


def _at_pose(batch: Batch, other: Batch, transfer: Tensor, precision: Tensor) -> _Posed:
    """The images of one batch at the poses of another, which may be on another device."""
    rotation, shift = other.rotation.to(batch.image.device), other.shift.to(batch.image.device)
    moved = bool(shift.any())
    image = batch.image * shift_phase(shift, batch.disk) if moved else batch.image
    return _Posed(image, rotation, transfer, precision)


def _insert(sums: BackProjector, batch: _Posed, rows: Tensor, weight: Tensor) -> None:
    """Add rows of a batch to the sums with their CTF, noise and particle weights."""
    sums.insert(
        batch.image[rows],
        batch.rotation[rows],
        transfer=batch.transfer[rows],
        precision=weight[:, None] * batch.precision[rows],
    )
