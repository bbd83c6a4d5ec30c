"""CloudRegion: the part of a box where a density is, and how many Gaussians it supports."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.methods.cloud_target import CloudTarget

FAINT, FILLED = 0.02, 0.1
"""Shares of what a map has where it is dense, above which a voxel belongs to it, and counts as filled."""

NOISE = 4.0
"""Standard deviations of the map outside the particle, above which a voxel belongs to it."""

SMOOTHING = 0.25
"""Standard deviation over the resolution of the Gaussian by which the map is blurred before."""


@dataclass(frozen=True, eq=False)
class CloudRegion:
    """A density where it counts, 0 elsewhere; where Gaussians may stand; and the volume it fills in Å^3."""

    density: Float[Tensor, "d d d"]
    pixel_size: float
    inside: Bool[Tensor, "d d d"]
    volume: float

    def holds(self, position: Float[Tensor, "g 3"]) -> Bool[Tensor, " g"]:
        """Whether the voxel nearest to each point (x, y, z) in Å is one where Gaussians may stand."""
        box = len(self.inside)
        x, y, z = ((position / self.pixel_size).round().long() + box // 2).unbind(1)
        fits = torch.stack([x, y, z]).clamp(0, box - 1)
        return self.inside[fits[2], fits[1], fits[0]] & (torch.stack([x, y, z]) == fits).all(0)

    def target(self, resolution: float) -> CloudTarget:
        """What a cloud is compared with up to a resolution."""
        corner = self.inside.nonzero()
        box = len(self.inside)
        lower, upper = ((at.flip(0) - box // 2) * self.pixel_size for at in (corner.amin(0), corner.amax(0)))
        return CloudTarget.of(self.density, self.pixel_size, resolution=resolution, lower=lower, upper=upper)

    def allowed(
        self, target: CloudTarget, values: Float[Tensor, "n n n"], *, positive: bool = True
    ) -> tuple[Float[Tensor, "m 3"], Float[Tensor, " m"]]:
        """Points of a target's grid where Gaussians may stand, and values there, if asked the positive ones.

        Errors: InputError where there are none.
        """
        place, values = target.places(), values.flatten()
        inside = self.holds(place)
        if positive:
            inside = inside & (values > 0)
        if not bool(inside.any()):
            raise _nothing(f"no density at {target.resolution:.3g} Å where Gaussians may stand")
        return place[inside], values[inside]

    def supported(self, resolution: float) -> int:
        """Gaussians that the map can tell apart: one for each (resolution / 2)^3 of its volume.

        That is one for each point of the Nyquist lattice on which the band-limited density is given; on it
        amplitudes alone can be any density, and more of them, let alone positions and widths, are free.
        About a sixth of it, one a resolution^3 with 5 numbers each for the 4.2 waves there, is often enough.
        """
        return max(round(self.volume / (0.5 * resolution) ** 3), 1)


def cloud_region(
    density: Float[Tensor, "d d d"],
    pixel_size: float,
    *,
    resolution: float,
    mask: Float[Tensor, "m m m"] | None,
) -> CloudRegion:
    """Where a density is, or where a mask (0 to 1) says.

    Blurred to the resolution, a map is where it exceeds FAINT of its dense level, sqrt(sum V^4 / sum V^2),
    and NOISE standard deviations of what lies outside the sphere in the box. Gaussians may stand up to
    resolution / 2 farther out, and there the density falls to 0 to leave out noise. With a mask, both are
    as far as the mask is. The volume is of what exceeds FILLED of the dense level.

    Errors: InputError for a resolution beyond Nyquist, an empty map, and a mask that leaves no Gaussian.
    """
    require_resolution(resolution, pixel_size)
    if not bool(density.isfinite().all()) or not bool(density.any()):
        raise _nothing("a map that is zero everywhere or not finite")
    blurred = _blurred(density, SMOOTHING * resolution / pixel_size)
    dense = float((blurred.pow(4).sum() / blurred.square().sum()).sqrt())
    outside = blurred[(_distance(len(density)) > len(density) / 2).to(density.device)]
    noise = NOISE * float(outside.std())
    body, filled = blurred > max(FAINT * dense, noise), blurred > max(FILLED * dense, noise)
    if mask is None:
        reach = 0.5 * resolution
        distance = ndimage.distance_transform_edt(~body.cpu().numpy(), sampling=pixel_size)
        away = torch.from_numpy(distance.astype(np.float32)).to(density.device)
        weight, inside = 0.5 + 0.5 * torch.cos(pi * ((away - reach) / reach).clamp(0, 1)), away <= reach
    else:
        if mask.shape != density.shape:
            raise InputError(
                f"Gaussians: found a mask of {tuple(mask.shape)} voxels for a map of {tuple(density.shape)}; "
                "wanted as many. Resample the mask to the map's box and voxels."
            )
        weight, inside = mask, mask > 0.5
        body, filled = body & inside, filled & inside
    if float(blurred.max()) <= noise:
        raise InputError(
            f"Gaussians: found a map that at {resolution:.3g} Å nowhere exceeds {NOISE:g} times its noise "
            "outside the particle; wanted density that stands out. Pass a coarser --resolution, or more "
            "particles, and look at the map: the particle has to be positive in it."
        )
    if not bool(body.any()):
        raise _nothing("no density of the map" + ("" if mask is None else " inside the mask"))
    return CloudRegion(density * weight, pixel_size, inside, float(filled.sum().clamp_min(1)) * pixel_size**3)


def require_resolution(resolution: float, pixel_size: float) -> None:
    """Raise InputError where a resolution in Å is beyond the Nyquist limit of a map's voxels."""
    if not resolution >= 2 * pixel_size * (1 - 1e-6):
        raise InputError(
            f"Gaussians: found a resolution of {resolution:g} Å for a map with voxels of {pixel_size:.4g} Å; "
            f"wanted {2 * pixel_size:.4g} Å (Nyquist) or coarser. Pass another --resolution, or a map with "
            "smaller voxels."
        )


def _nothing(found: str) -> InputError:
    return InputError(
        f"Gaussians: found {found}; wanted density for at least one Gaussian. Look at the map and at "
        "the mask together: the particle has to be positive in the map, and the mask 1 around it."
    )


def _blurred(density: Float[Tensor, "d d d"], width: float) -> Float[Tensor, "d d d"]:
    square = torch.fft.fftfreq(len(density), device=density.device) ** 2
    fall = torch.exp(-2 * (pi * width) ** 2 * (square[:, None, None] + square[:, None] + square))
    return torch.fft.ifftn(torch.fft.fftn(density) * fall).real


def _distance(box: int) -> Float[Tensor, "d d d"]:
    axis = torch.arange(box, dtype=torch.float32) - box // 2
    return (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
