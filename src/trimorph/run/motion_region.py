"""Which Gaussians lie in a region that the user names, as a mask or as a sphere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.core.voxel_grid import values_at
from trimorph.run.focus import FocusSettings, focus_mask

Sphere = tuple[float, float, float, float]


def map_frame(position: Float[ndarray, "*n 3"], *, box: int, pixel_size: float) -> Float[ndarray, "*n 3"]:
    """Positions in Å as seen from voxel (0, 0, 0), where ChimeraX puts the origin of the written maps.

    >>> map_frame(np.zeros((1, 3)), box=64, pixel_size=2.0).tolist()
    [[64.0, 64.0, 64.0]]
    """
    return position + (box // 2) * pixel_size


def within(
    position: Float[ndarray, "g 3"],
    *,
    mask: Path | None,
    sphere: Sphere | None,
    box: int,
    pixel_size: float,
) -> Float[ndarray, " g"]:
    """1 for Gaussians in the region, 0 outside, and between at a mask's soft edge.

    ``sphere`` is (x, y, z, radius) in Å, in the frame of the maps (:func:`map_frame`).
    Errors: those of :func:`focus_mask`; InputError where no Gaussian is inside, or none outside.
    """
    if sphere is None:
        values = focus_mask(FocusSettings(mask=mask), frozenset({"mask"}), box=box, pixel_size=pixel_size)
        points = torch.as_tensor(position, dtype=torch.float32)
        inside = values_at(torch.as_tensor(values), points, pixel_size=pixel_size).double().numpy()
        region = f"{mask}: found a mask that holds"
    else:
        *centre, radius = sphere
        place = map_frame(position, box=box, pixel_size=pixel_size)
        inside = (np.linalg.norm(place - np.array(centre), axis=1) <= radius).astype(np.float64)
        numbers = ", ".join(f"{value:g}" for value in centre)
        region = f"Found that a sphere of {radius:g} Å about ({numbers}) holds"
    count = int((inside > 0.5).sum())
    if not 0 < count < len(inside):
        shown = map_frame(position, box=box, pixel_size=pixel_size)
        low, high = (", ".join(f"{value:.0f}" for value in ends) for ends in (shown.min(0), shown.max(0)))
        raise InputError(
            f"{region} {'all' if count else 'none'} of the {len(inside)} Gaussians; wanted some inside and "
            f"some outside. They lie from ({low}) to ({high}) Å, counted from the map's first voxel."
        )
    return inside
