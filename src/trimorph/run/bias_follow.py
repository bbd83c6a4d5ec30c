"""Whether a density moves with a structure: local correlations, and how much of a change is followed.

Letters: d box, g residues, v states, p voxels of a sphere.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.point_field import MOLMAP_WIDTH

Density = Float[ndarray, "d d d"]

AT_ONCE = 200_000_000
"""Numbers that are gathered in one step."""

HELD = 0.5
"""Share of a template's power that must stay inside the region where it is shifted to."""


@dataclass(frozen=True)
class Followed:
    """How much of a structure's change a density makes, and the standard error of that.

    1: the density changes as the structure does; 0: it does not change that way.
    """

    share: float
    error: float


def band(density: Density, *, pixel_size: float, resolution: float, beyond: float | None = None) -> Density:
    """The density blurred to a resolution in Å as atoms are, without what is not finer than ``beyond`` Å."""
    box = len(density)
    axis, half = torch.fft.fftfreq(box, pixel_size), torch.fft.rfftfreq(box, pixel_size)
    square = axis[:, None, None] ** 2 + axis[:, None] ** 2 + half**2
    fall = torch.exp(-2 * (pi * MOLMAP_WIDTH * resolution) ** 2 * square)
    if beyond is not None:
        fall = fall * (square.sqrt() > 1 / beyond + 1.5 / (box * pixel_size))
    transform = torch.fft.rfftn(torch.as_tensor(density)) * fall
    return np.asarray(torch.fft.irfftn(transform, s=density.shape).numpy())


def scale_of(
    decoded: Float[ndarray, "v d d d"], structure: Float[ndarray, "v d d d"], mask: Density
) -> float:
    """By what the structure's density is multiplied to be the decoded one: least squares, with a constant.

    >>> one = np.arange(8.0).reshape(1, 2, 2, 2)
    >>> round(scale_of(3 * one + 5, one, np.ones((2, 2, 2))), 6)
    3.0
    """
    weight = np.broadcast_to(mask, structure.shape)
    centred = structure - (weight * structure).sum() / weight.sum()
    return float((weight * centred * decoded).sum() / (weight * centred * structure).sum())


def followed(decoded: Density, structure: Density, region: Density, *, margin: float) -> Followed:
    """The share of a change of the structure that a decoded change makes within a soft region.

    share = <D, M> / <M, M>, products over the region. What is left, D - share M, may look like M by chance:
    the error is the root mean square of the shares that M would have of it elsewhere, shifted by ``margin``
    voxels or more, wherever half of its power is still in the region.

    >>> change = np.zeros((16, 16, 16)); change[8, 8, 6] = -1.0; change[8, 8, 9] = 1.0
    >>> followed(0.8 * change, change, np.ones_like(change), margin=1.0).share
    0.8
    """
    power = float((region * structure**2).sum())
    if not power > 0:
        return Followed(0.0, float("inf"))
    share = float((region * decoded * structure).sum()) / power
    rest = region * (decoded - share * structure)
    like, there = _shifted(rest, structure), _shifted(region, structure**2)
    index = np.fft.fftfreq(len(region), 1 / len(region))
    far = index[:, None, None] ** 2 + index[:, None] ** 2 + index**2 >= margin**2
    for held in (HELD, 0.5 * HELD, 0.1 * HELD):
        allowed = far & (there >= held * power)
        if allowed.sum() >= 20:
            break
    else:
        return Followed(share, float("inf"))
    chance = like[allowed] / np.sqrt(there[allowed] * power)
    return Followed(share, float(np.sqrt((chance**2).mean())))


def local_correlation(
    first: Density,
    second: Density,
    centres: list[Float[ndarray, "g 3"]],
    *,
    radius: float,
    pixel_size: float,
) -> Float[ndarray, " g"]:
    """Correlation of two densities in spheres around each residue's places, all of them together.

    >>> one = np.random.default_rng(0).normal(size=(9, 9, 9))
    >>> local_correlation(one, 2 * one + 1, [np.zeros((1, 3))], radius=2.0, pixel_size=1.0).round(6)
    array([1.])
    """
    spheres = [_sphere(place, len(first), radius=radius, pixel_size=pixel_size) for place in centres]
    index = np.concatenate(spheres, axis=1)
    found = np.empty(len(index))
    step = max(1, AT_ONCE // index.shape[1])
    for start in range(0, len(index), step):
        rows = index[start : start + step]
        x, y = (density.ravel()[rows] for density in (first, second))
        x, y = (values - values.mean(1, keepdims=True) for values in (x, y))
        norm = np.sqrt((x**2).sum(1) * (y**2).sum(1))
        found[start : start + step] = (x * y).sum(1) / np.maximum(norm, 1e-30)
    return found


def local_share(
    decoded: Density,
    structure: Density,
    centres: list[Float[ndarray, "g 3"]],
    *,
    radius: float,
    pixel_size: float,
) -> Float[ndarray, " g"]:
    """The share of a change that is followed, in spheres around each residue's places."""
    found = np.zeros((2, len(centres[0])))
    for place in centres:
        index = _sphere(place, len(decoded), radius=radius, pixel_size=pixel_size)
        x, y = decoded.ravel()[index], structure.ravel()[index]
        found += np.stack([(x * y).sum(1), (y * y).sum(1)])
    return np.asarray(found[0] / np.maximum(found[1], 1e-30))


def _shifted(fixed: Density, moved: Density) -> Density:
    """Sum over voxels of the fixed times the moved density, for each cyclic shift of the latter."""
    product = np.fft.rfftn(fixed) * np.fft.rfftn(moved).conj()
    return np.asarray(np.fft.irfftn(product, s=fixed.shape, axes=(0, 1, 2)))


def _sphere(
    place: Float[ndarray, "g 3"], box: int, *, radius: float, pixel_size: float
) -> Int[ndarray, "g p"]:
    """Voxels within a radius of places (x, y, z) in Å from the origin voxel; the edge stands for the rest."""
    reach = int(np.ceil(radius / pixel_size))
    axis = np.arange(-reach, reach + 1)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = (x**2 + y**2 + z**2) * pixel_size**2 <= radius**2
    offset = np.stack([x[inside], y[inside], z[inside]], axis=-1)
    middle = np.round(place / pixel_size).astype(np.int64) + box // 2
    index = np.clip(middle[:, None] + offset, 0, box - 1)
    return (index[..., 2] * box + index[..., 1]) * box + index[..., 0]
