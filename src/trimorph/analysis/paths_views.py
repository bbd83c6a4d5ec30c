"""Views of the maps along a path, all from one side, at one level and in one range of greys.

Letters: m maps, d voxels along an edge, p pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from trimorph.analysis.report_pictures import OUTLINE, Gallery, best_axis
from trimorph.analysis.state_maps import read_small
from trimorph.analysis.surface_view import silhouette, surface_view

PIXELS = 240
"""Pixels along an edge of a surface."""


@dataclass(frozen=True, eq=False)
class PathViews:
    """Surfaces of maps from one side, with the outline of the first, and projections along z, y and x.

    ``axis`` (0: z) is where surfaces are seen along, ``side`` the edge of all views in Å, and greys of the
    projections run from ``low`` to ``high``, one of each a direction.
    """

    surface: UInt8[ndarray, "m p p 3"]
    projection: Float[ndarray, "m 3 d d"]
    axis: int
    side: float
    low: Float[ndarray, " 3"]
    high: Float[ndarray, " 3"]

    @classmethod
    def of(cls, maps: Sequence[Path]) -> PathViews:
        """Views of MRC files of one box."""
        small = [read_small(path) for path in maps]
        density = np.stack([values for values, _ in small])
        axis = best_axis(density)
        shown = Gallery.of(density, density.mean(0), density, axis)
        outline = silhouette(shown.maps[0], level=shown.level, axis=axis, pixels=PIXELS)
        surfaces = []
        for one in shown.maps:
            grey = surface_view(one, level=shown.level, axis=axis, pixels=PIXELS)
            colour = np.repeat(grey[..., None], 3, axis=2)
            colour[outline] = OUTLINE
            surfaces.append(colour)
        projection = np.stack([shown.maps.sum(1 + one) for one in range(3)], axis=1)
        each = np.moveaxis(projection, 1, 0).reshape(3, -1)
        return cls(
            np.stack(surfaces),
            projection,
            axis,
            projection.shape[-1] * small[0][1],
            np.quantile(each, 0.05, axis=1),
            np.quantile(each, 0.999, axis=1),
        )
