"""Where a structure lies in the box: its coordinates may count from the box's corner or from its centre."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.core.point_field import PointField
from trimorph.data.residues import Residues

COARSE = 10.0
"""Resolution in Å at which structure and map are compared, or three pixels where these are wide."""

ENOUGH = 0.3
"""Correlation from which a structure is taken to lie where the map is."""

CORNER, CENTRE = "the box's corner", "the box's centre"


def placed(
    residues: Residues,
    density: NDArray[np.float32],
    *,
    pixel_size: float,
    middle: tuple[float, float, float],
    source: Path,
) -> tuple[NDArray[np.float64], str]:
    """Positions (g, 3) in Å about the map's origin voxel, and a line that says how the coordinates count.

    ``middle`` is where that voxel lies for coordinates that count from the corner of the map, as those of a
    structure that was fitted to it do. Of the two ways that one is taken that correlates more with the map.

    Errors: InputError where the structure lies outside the box, or neither way correlates to ENOUGH.
    """
    ways = {CORNER: residues.position - np.asarray(middle), CENTRE: residues.position}
    reach = 0.5 * len(density) * pixel_size
    inside = {way: bool((np.abs(place) < reach).all()) for way, place in ways.items()}
    if not any(inside.values()):
        low, high = (residues.position.min(0), residues.position.max(0))
        said = ", ".join(f"{x:.0f} to {y:.0f}" for x, y in zip(low, high, strict=True))
        raise InputError(
            f"{source}: found coordinates from {said} Å (x, y, z), outside the box; wanted all in 0 to "
            f"{2 * reach:.0f} Å, from the box's corner, or within {reach:.0f} Å of 0, from its centre. Fit "
            "the structure into the map, and save it relative to the map."
        )
    resolution = max(COARSE, 3 * pixel_size)
    reached = {
        way: _correlation(place, residues.weight, density, pixel_size=pixel_size, resolution=resolution)
        for way, place in ways.items()
        if inside[way]
    }
    said = " and ".join(
        f"{reached[way]:.2f} from {way}" if way in reached else f"outside the box from {way}" for way in ways
    )
    best = max(reached, key=lambda way: reached[way])
    if reached[best] < ENOUGH:
        raise InputError(
            f"{source}: found a structure whose correlation with the map at {resolution:.3g} Å is {said}; "
            f"wanted {ENOUGH} or more. Fit it into the map, in the map's hand, and save it relative to the "
            "map; trimorph reconstruct makes the particles' own."
        )
    line = (
        f"starting from {source}: {len(residues)} residues, with coordinates from {best}, as the correlation "
        f"with the map at {resolution:.3g} Å is {said}"
    )
    return ways[best], line


def _correlation(
    place: NDArray[np.float64],
    weight: NDArray[np.float64],
    density: NDArray[np.float32],
    *,
    pixel_size: float,
    resolution: float,
) -> float:
    """Correlation of the map with points of a resolution, over the map's box."""
    own = torch.tensor(density - density.mean(dtype=np.float64), dtype=torch.float32)
    field = PointField.of(own, pixel_size, resolution=resolution, margin=resolution)
    return float(field.correlation(torch.tensor(place).float(), torch.tensor(weight).float()))
