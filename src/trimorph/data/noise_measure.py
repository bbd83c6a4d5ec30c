"""The noise of a stack, measured outside the particles, in the units of its batches."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.noise import background_power
from trimorph.data.preprocess import Preparation

IMAGES_A_GROUP = 1000
"""Images that are averaged for one noise group."""
SMALLEST_GROUP = 200
"""Optics groups get noise of their own if every one has as many images."""


def noise_groups(optics_group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Noise group of each image: its optics group, numbered from 0, where all are large; else one for all."""
    _, group, count = np.unique(optics_group, return_inverse=True, return_counts=True)
    return group if count.min() >= SMALLEST_GROUP else np.zeros_like(group)


def noise_subset(group: NDArray[np.int64], *, seed: int) -> list[NDArray[np.int64]]:
    """Rows of the images to measure, sorted, for each noise group."""
    random = np.random.default_rng(seed)
    chosen = []
    for number in range(int(group.max()) + 1):
        rows = np.flatnonzero(group == number)
        if len(rows) > IMAGES_A_GROUP:
            rows = np.sort(random.choice(rows, IMAGES_A_GROUP, replace=False))
        chosen.append(rows)
    return chosen


def batch_noise_power(
    normalised: Float[Tensor, "b h w"], shift: Float[Tensor, "b 2"], preparation: Preparation
) -> Float[Tensor, "b s"]:
    """Noise power of each image on the target's rings, as it is in a batch.

    Measured at the source's grid on the images before the window; then times the square of the transform's
    gain and the mean square of the image's window, and read off at the target's frequencies.
    """
    centre = preparation.centre(shift).long()
    rolled = torch.stack(
        [
            torch.roll(image, (preparation.box // 2 - int(y), preparation.box // 2 - int(x)), dims=(0, 1))
            for image, (x, y) in zip(normalised, centre, strict=True)
        ]
    )
    source = FourierDisk(preparation.box, preparation.pixel_size)
    power = background_power(rolled, radius=preparation.radius / preparation.pixel_size, disk=source)
    share = window_share(shift, preparation)
    return _at_rings(power, source, preparation.disk) * (preparation.gain**2 * share)[:, None]


def window_share(shift: Float[Tensor, "b 2"], preparation: Preparation) -> Float[Tensor, " b"]:
    """Mean square of each image's window: the share of white noise that it lets through; 1 without one."""
    if preparation.outer == float("inf"):
        return torch.ones(len(shift))
    return (preparation.windows(shift) ** 2).mean(dim=(-2, -1))


def _at_rings(power: Float[Tensor, "b s"], source: FourierDisk, target: FourierDisk) -> Float[Tensor, "b t"]:
    """Linear between the source's rings, at the frequencies of the target's."""
    rings = int(target.shell[-1]) + 1
    ratio = source.box * source.pixel_size / (target.box * target.pixel_size)
    at = (torch.arange(rings) * ratio).clamp(max=power.shape[1] - 1)
    low = at.floor().long().clamp(max=power.shape[1] - 2)
    return torch.lerp(power[:, low], power[:, low + 1], (at - low))
