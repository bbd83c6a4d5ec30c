"""A path drawn over the latents: in two dimensions that it runs along, or over a histogram of one.

Letters: n particles, d latent components, m points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.analysis.components import find_components
from trimorph.analysis.paths import LatentPath
from trimorph.analysis.plane import Plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE, START, EMPTY = "#c2571a", "#1f7a4d", "#a11d5b"
"""Colours of a path, of where it begins, and of points in empty space."""

BARS = 60
"""Bars of a histogram."""


@dataclass(frozen=True, eq=False)
class PathPlane:
    """Two coordinates of all particles and of the points of a path, or one, over which is a histogram."""

    plane: Plane
    along: Float[ndarray, "m 2"]
    flat: bool

    @classmethod
    def of(cls, mean: Float[ndarray, "n d"], path: LatentPath) -> PathPlane:
        """The components of latents that have two; else the principal one that the path runs along most, and
        another in which it, or else the particles, are spread.
        """
        dim = mean.shape[1]
        if dim == 1:
            plane = Plane(mean[:, 0], np.zeros(len(mean)), ("z1", "particles"))
            return cls(plane, np.stack([path.z[:, 0], np.zeros(len(path))], axis=1), True)
        if dim == 2:
            return cls(Plane(mean[:, 0], mean[:, 1], ("z1", "z2")), path.z, False)
        found = find_components(mean)
        points = (path.z - mean.mean(0)) @ found.axes.T
        extent = np.ptp(points, axis=0)
        first = int(extent.argmax())
        wide = extent + found.scores.std(0)
        wide[first] = -1.0
        one, other = sorted((first, int(wide.argmax())))
        plane = Plane(found.scores[:, one], found.scores[:, other], (f"pc{one + 1}", f"pc{other + 1}"))
        return cls(plane, points[:, [one, other]], False)

    def draw(self, axes: Axes, *, hexagons: bool) -> None:
        """Draw the particles, as hexagons by their number or as points, and make room for the path."""
        plane = self.plane
        if self.flat:
            axes.hist(plane.x, BARS, color="#9fb8d6")
            axes.set(xlabel="z1", ylabel="particles")
            axes.set_ylim(-0.06 * axes.get_ylim()[1], None)
            axes.spines[["top", "right"]].set_visible(False)
            return
        if hexagons:
            plane.hexagons(axes)
        else:
            some = plane.some()
            size = 3.0 if len(some) < 3000 else 1.0
            axes.scatter(plane.x[some], plane.y[some], s=size, color="#9fb8d6", linewidths=0, rasterized=True)
            plane.frame(axes)
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        room = 0.03 * np.array([right - left, high - low])
        first, last = self.along.min(0) - room, self.along.max(0) + room
        axes.set_xlim(min(left, first[0]), max(right, last[0]))
        axes.set_ylim(min(low, first[1]), max(high, last[1]))

    def line(self, axes: Axes) -> None:
        """Draw the path as a line."""
        axes.plot(*self.along.T, color="white", linewidth=3.2, solid_capstyle="round", zorder=3)
        axes.plot(*self.along.T, color=LINE, linewidth=1.8, solid_capstyle="round", zorder=3)
