"""Decoded maps against the true maps of their images: per image, and per state.

Letters: v pairs of maps, h half shells, s shells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.fsc import resolution_at
from trimorph.data.truth import Truth
from trimorph.evaluation.mover import Decoder, middle_particles
from trimorph.evaluation.shell_correlation import (
    cryobench_area,
    cryobench_fsc,
    mean_of_shells,
    shell_fsc,
)
from trimorph.evaluation.true_maps import Transforms, TrueMaps, transforms

Progress = Callable[[int, int], None]

HALF = 0.5
"""FSC at which a resolution is told: a map with its truth has no noise in common."""


@dataclass(frozen=True, eq=False)
class Curves:
    """FSC (v, s) by rounded radius and as CryoBench has it, whole and in the mask; which state each is of."""

    state: Int[ndarray, " v"]
    whole: Float[ndarray, "v s"]
    masked: Float[ndarray, "v s"]
    whole_cryobench: Float[ndarray, "v t"]
    masked_cryobench: Float[ndarray, "v t"]
    box: int
    pixel_size: float

    @property
    def mean(self) -> Float[ndarray, " v"]:
        """Mean of each curve over the shells."""
        return mean_of_shells(self.whole)

    @property
    def masked_mean(self) -> Float[ndarray, " v"]:
        """The same in the mask."""
        return mean_of_shells(self.masked)

    @property
    def area(self) -> Float[ndarray, " v"]:
        """Area under each curve in CryoBench's units."""
        return cryobench_area(self.whole_cryobench, box=self.box)

    @property
    def masked_area(self) -> Float[ndarray, " v"]:
        """The same in the mask."""
        return cryobench_area(self.masked_cryobench, box=self.box)

    @property
    def frequency(self) -> Float[ndarray, " s"]:
        """Of the shells of ``whole`` and ``masked``, in 1/Å."""
        return np.arange(self.whole.shape[1]) / (self.box * self.pixel_size)

    @property
    def resolution(self) -> float:
        """Å at which the mean curve falls below a half."""
        import torch

        curve = torch.tensor(self.whole.mean(0))
        return resolution_at(curve, HALF, box=self.box, pixel_size=self.pixel_size)


def image_curves(
    z: Float[ndarray, "v d"],
    state: Int[ndarray, " v"],
    volume: Decoder,
    true: TrueMaps,
    *,
    progress: Progress | None = None,
) -> Curves:
    """Curves of the maps decoded at latents with the true maps of their states; equal latents decode once."""
    different, place = np.unique(z, axis=0, return_inverse=True)
    order = np.argsort(place.reshape(-1), kind="stable")
    first = np.searchsorted(place.reshape(-1)[order], np.arange(len(different) + 1))
    sums: list[tuple[ndarray, ...]] = [()] * len(z)
    for number in range(len(different)):
        rows = order[first[number] : first[number + 1]]
        found = transforms(volume(z[rows[0]]), shells=true.shells, mask=true.mask)
        for row in rows:
            sums[row] = _sums(found, true.of(int(state[row])), true)
        if progress is not None:
            progress(number + 1, len(different))
    return _curves(sums, state, true)


def blind_curves(state: Int[ndarray, " v"], true: TrueMaps) -> Curves:
    """Curves of the mean of all true maps with each image's own: what one map for all would reach."""
    found = transforms(true.mean, shells=true.shells, mask=true.mask)
    states, place = np.unique(state, return_inverse=True)
    sums = [_sums(found, true.of(int(number)), true) for number in states]
    return _curves([sums[number] for number in place], state, true)


def state_latents(
    z: Float[ndarray, "n d"], truth: Truth
) -> tuple[Int[ndarray, " k"], Float[ndarray, "k d"], Float[ndarray, "k d"]]:
    """The states that occur, and of each the mean of its particles' latents, and its middle particle's."""
    states, middle = middle_particles(z, truth.state, np.ones(len(z), bool))
    mean = np.stack([z[truth.state == state].mean(0) for state in states])
    return states, mean, z[middle]


def _sums(found: Transforms, true: Transforms, maps: TrueMaps) -> tuple[ndarray, ...]:
    cross = maps.shells.cross
    return (
        cross(found.whole, true.whole), found.whole_power, true.whole_power,
        cross(found.masked, true.masked), found.masked_power, true.masked_power,
    )  # fmt: skip


def _curves(sums: list[tuple[ndarray, ...]], state: Int[ndarray, " v"], true: TrueMaps) -> Curves:
    columns = [np.stack(column) for column in zip(*sums, strict=True)]
    whole, masked = columns[:3], columns[3:]
    return Curves(
        state=np.asarray(state),
        whole=shell_fsc(*whole),
        masked=shell_fsc(*masked),
        whole_cryobench=cryobench_fsc(*whole),
        masked_cryobench=cryobench_fsc(*masked),
        box=true.shells.box,
        pixel_size=true.pixel_size,
    )
