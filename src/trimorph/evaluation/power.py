"""Power: the smallest shift of a region that these particles would have shown.

Letters: c box of a density, l steps of the ladder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.evaluation.nulls import Null, mode_p, real_modes
from trimorph.evaluation.validate_images import SeenImages
from trimorph.evaluation.validate_test import PairTest, linear_test
from trimorph.methods.variance_mask import shared_variance, variance_masks
from trimorph.run.focus import FocusSettings, focus_mask

LADDER = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
"""Shifts in Å that are tried, as far as they are shorter than the particle's radius."""

EDGE, DENSE, MOST = 2.0, 0.15, 0.6
"""Voxels over which a sphere falls to 0; share of the highest density from which on a voxel counts as dense;
share of all density beyond which a region is no longer a part."""


@dataclass(frozen=True, eq=False)
class Region:
    """A part of the mean map, 1 inside: its ``centre`` in Å from the map's first voxel (x, y, z), its
    ``share`` of the density, its ``volume`` in Å^3 as far as it is dense, and where it was taken from.
    """

    mask: Float[Tensor, "c c c"]
    centre: tuple[float, float, float]
    share: float
    volume: float
    source: str


@dataclass(frozen=True)
class Rung:
    """A shift in Å that was tried: the largest z, the smallest p after Holm, and whether a mode is real."""

    shift: float
    z: float
    p: float
    real: bool


@dataclass(frozen=True, eq=False)
class Power:
    """What a digital twin shows: of these particles, ``moved`` (a share) have the region shifted along
    ``direction``. ``detectable`` is the smallest shift on the ladder that was seen, if any, ``hidden`` the
    largest below it that was not.
    """

    region: Region
    direction: tuple[float, float, float]
    moved: float
    rungs: tuple[Rung, ...]

    @property
    def detectable(self) -> float | None:
        """Å."""
        return min((rung.shift for rung in self.rungs if rung.real), default=None)

    @property
    def hidden(self) -> float | None:
        """Å."""
        return max((rung.shift for rung in self.rungs if not rung.real), default=None)


def find_power(
    images: SeenImages,
    test: PairTest,
    null: Null,
    *,
    region: Region,
    moved: float,
    modes: int,
    shuffles: int,
    level: float,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Power:
    """The smallest detectable shift, by bisection of a ladder; each step is a whole test of new images."""
    ladder = [step for step in LADDER if step < images.radius]
    direction = _across(test.mean, region, images.pixel_size)
    state = np.random.default_rng([seed, 12]).permutation(len(images)) < round(moved * len(images))
    rungs: dict[float, Rung] = {}

    def tried(shift: float) -> bool:
        both = torch.stack([test.mean, shifted(test.mean, region.mask, direction * shift, images.pixel_size)])
        drawn = images.drawn(both, state.astype(np.int64), seed=seed + round(1000 * shift))
        found, _ = linear_test(drawn, modes=modes, shuffles=shuffles, seed=seed)
        p, real = np.maximum(*mode_p(found, null)), real_modes(found, null, level=level)
        best = float(found.sides[0].z.max())
        rungs[shift] = Rung(shift, best, float(min(1.0, len(p) * p.min())), bool(real.any()))
        if progress is not None:
            progress(len(rungs), most_steps(len(ladder)))
        return bool(real.any())

    low, high = -1, len(ladder)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if tried(ladder[middle]) else (middle, high)
    x, y, z = direction.tolist()
    return Power(region, (x, y, z), moved, tuple(rungs[shift] for shift in sorted(rungs)))


def most_steps(count: int) -> int:
    """Tests that a bisection of a ladder takes at most.

    >>> most_steps(13)
    4
    """
    return int(np.ceil(np.log2(count + 1)))


def shifted(
    density: Float[Tensor, "c c c"],
    mask: Float[Tensor, "c c c"],
    shift: Float[ndarray, " 3"],
    pixel_size: float,
) -> Float[Tensor, "c c c"]:
    """The density with what is in the mask moved by a shift (x, y, z) in Å.

    >>> density = torch.zeros(8, 8, 8); density[4, 4, 4] = 1.0
    >>> moved = shifted(density, torch.ones(8, 8, 8), np.array([2.0, 0.0, 0.0]), pixel_size=1.0)
    >>> bool(moved[4, 4, 6] > 0.99)
    True
    """
    k = torch.fft.fftfreq(len(density), pixel_size, dtype=torch.float64)
    x, y, z = (float(value) for value in shift)
    angle = -2 * torch.pi * (k[:, None, None] * z + k[:, None] * y + k * x)
    part = torch.fft.fftn((density * mask).double()) * torch.polar(torch.ones_like(angle), angle)
    return density - density * mask + torch.fft.ifftn(part).real.to(density)


def choose_region(images: SeenImages, test: PairTest, *, varies: bool) -> Region:
    """The region in which both half sets find most variance.

    Where nothing ``varies``, it is a sphere of a sixth of the particle's diameter around the densest place
    outside of another one about the centre.
    Errors: InputError for a region without density.
    """
    mask, source = _variable(images, test) if varies else _off_centre(images, test.mean)
    return _region(test.mean, mask, images.pixel_size, source)


def named_region(images: SeenImages, mean: Float[Tensor, "c c c"], asked: str) -> Region:
    """The region of a mask file (MRC, the images' box in Å), or of "x,y,z,radius" in Å from the first voxel.

    Errors: InputError for text that is neither, and a region without density.
    """
    box, size = images.box, images.pixel_size
    if len(asked.split(",")) == 4:
        mask, source = _sphere(*_numbers(asked), box=box, pixel_size=size), f"the sphere {asked}"
    else:
        if not Path(asked).is_file():
            raise InputError(
                f'Found the region "{asked}"; wanted a mask file (MRC), or x,y,z,radius in Å from the map\'s '
                "first voxel."
            )
        found = focus_mask(FocusSettings(mask=Path(asked)), frozenset({"mask"}), box=box, pixel_size=size)
        mask, source = torch.as_tensor(found), f"the mask {asked}"
    return _region(mean, mask, size, source)


def _region(mean: Tensor, mask: Tensor, pixel_size: float, source: str) -> Region:
    density = mean.clamp_min(0)
    inside = density * mask
    share = float(inside.sum() / density.sum().clamp_min(1e-20))
    if not 0.001 < share < 0.999:
        raise InputError(
            f"Found that {source} holds {100 * share:.2f} % of the mean map's density; wanted a part of it "
            "that could move. Choose another --region."
        )
    dense = (mean > DENSE * float(mean.max())) & (mask > 0.5)
    return Region(
        mask=mask,
        centre=_middle(inside, pixel_size),
        share=share,
        volume=float(dense.sum()) * pixel_size**3,
        source=source,
    )


def _variable(images: SeenImages, test: PairTest) -> tuple[Tensor, str]:
    """A mask around where both half sets find variance; a sphere where that is hardly a part."""
    first, second = test.sides
    near = second.modes[first.alike]
    sign = torch.sign((first.modes * near).sum((1, 2, 3)))
    size = [
        torch.as_tensor(variance).clamp_min(0).sqrt()
        for variance in (first.variance, second.variance[first.alike])
    ]
    one, other = (size[0] * sign)[:, None, None, None] * first.modes, size[1][:, None, None, None] * near
    reach = 0.25 * images.disk.resolution / images.pixel_size
    varying = shared_variance(one.float(), other.float(), width=reach)
    masks = variance_masks(varying, reach=0.5 * reach)
    density = test.mean.clamp_min(0)
    if masks and 0.02 < float((density * masks[0]).sum() / density.sum()) < MOST:
        return masks[0], "the region in which both half sets find most variance"
    return _off_centre(images, test.mean)


def _off_centre(images: SeenImages, mean: Tensor) -> tuple[Tensor, str]:
    """A sphere around the densest place off the centre."""
    box, size = images.box, images.pixel_size
    radius, middle = images.radius / 3, (box // 2) * size
    away = 1 - _sphere(middle, middle, middle, radius, box=box, pixel_size=size)
    k = torch.fft.fftfreq(box, size) ** 2
    fall = torch.exp(-2 * (torch.pi * radius / 2) ** 2 * (k[:, None, None] + k[:, None] + k))
    smooth = torch.fft.ifftn(torch.fft.fftn(mean.clamp_min(0) * away) * fall).real * away
    z, y, x = np.unravel_index(int(smooth.argmax()), (box, box, box))
    found = _sphere(x * size, y * size, z * size, radius, box=box, pixel_size=size)
    return found, f"a sphere of {radius:.0f} Å around the densest place off the centre"


def _across(mean: Tensor, region: Region, pixel_size: float) -> Float[ndarray, " 3"]:
    """A unit vector across the line from the centre of the rest to the region's, as a hinge moves it."""
    rest = np.array(_middle(mean.clamp_min(0) * (1 - region.mask), pixel_size))
    arm = np.array(region.centre) - rest
    axis = np.eye(3)[np.abs(arm).argmin()]
    found = np.cross(arm, axis) if np.linalg.norm(arm) > 1e-6 else axis
    return np.asarray(found / np.linalg.norm(found))


def _middle(density: Tensor, pixel_size: float) -> tuple[float, float, float]:
    """Centre of mass (x, y, z) in Å from the first voxel."""
    total = float(density.sum())
    axis = torch.arange(len(density)) * pixel_size
    z, y, x = (
        float((density.sum(tuple(other for other in range(3) if other != along)) * axis).sum()) / total
        for along in range(3)
    )
    return x, y, z


def _sphere(
    x: float, y: float, z: float, radius: float, *, box: int, pixel_size: float
) -> Float[Tensor, "c c c"]:
    axis = torch.arange(box) * pixel_size
    distance = ((axis[:, None, None] - z) ** 2 + (axis[:, None] - y) ** 2 + (axis - x) ** 2).sqrt()
    fall = ((distance - radius) / (EDGE * pixel_size)).clamp(0, 1)
    return 0.5 + 0.5 * torch.cos(torch.pi * fall)


def _numbers(text: str) -> tuple[float, float, float, float]:
    try:
        x, y, z, radius = (float(value) for value in text.split(","))
    except ValueError as error:
        raise InputError(f'Found the region "{text}" ({error}); wanted x,y,z,radius in Å.') from error
    if not radius > 0:
        raise InputError(f'Found the region "{text}" with a radius of {radius:g} Å; wanted more than 0.')
    return x, y, z, radius
