"""Pictures of maps for a report: surfaces, projections, slices and changes, each a small PNG.

All maps of one kind are shown alike: in one frame, with one level and one range of greys.
Letters: m maps, o other maps, d voxels along an edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from trimorph.analysis.report_png import change, grey, png
from trimorph.analysis.surface_view import silhouette, surface_view
from trimorph.run.panels import frame

Maps = Float[ndarray, "m d d d"]
Others = Float[ndarray, "o d d d"]

AXES = "zyx"
LEVEL = 0.25
"""Where a surface is drawn, in parts of the 99.99th percentile of the mean map."""

OUTLINE = (196, 92, 0)
"""Colour of the outline of the mean map."""

SURFACE = 176
"""Pixels along an edge of a surface."""

SLICES, PIXELS = 24, 1_500_000
"""Slices that can be gone through, and pixels that those of all maps take together, at most."""


@dataclass(frozen=True, eq=False)
class Gallery:
    """Maps that are shown side by side along one ``axis`` (0: z), and the ``mean`` to compare them with.

    ``places`` are the slices across z, y and x in which they differ most.
    """

    maps: Maps
    mean: Float[ndarray, "d d d"]
    axis: int

    places: tuple[int, int, int]

    @classmethod
    def of(cls, maps: Maps, mean: Float[ndarray, "d d d"], around: Others, axis: int) -> Gallery:
        """The part of the maps where any of ``around``, which have no noise, has density."""
        z, y, x = frame(around.mean(0), around.std(0))
        power = around[:, z, y, x].var(0)
        places = [int(power.sum(tuple({0, 1, 2} - {across})).argmax()) for across in range(3)]
        return cls(maps[:, z, y, x], mean[z, y, x], axis, (places[0], places[1], places[2]))

    @cached_property
    def level(self) -> float:
        """Where surfaces are drawn."""
        return LEVEL * max(float(np.quantile(self.mean, 0.9999)), 1e-30)

    def surface(self, number: int) -> bytes:
        """The surface of a map, with the outline of the mean in orange."""
        shade = surface_view(self.maps[number], level=self.level, axis=self.axis, pixels=SURFACE)
        colour = np.repeat(shade[..., None], 3, axis=2)
        colour[self._outline] = OUTLINE
        return png(colour)

    @cached_property
    def _outline(self) -> Bool[ndarray, "p p"]:
        return silhouette(self.mean, level=self.level, axis=self.axis, pixels=SURFACE)

    def projections(self, number: int) -> list[bytes]:
        """Projections along z, y and x."""
        return [png(self._projection(self.maps[number], axis)) for axis in range(3)]

    def slices(self, number: int) -> list[bytes]:
        """The slices across z, y and x in which the maps differ most."""
        return [png(self._slice(self.maps[number], axis, place)) for axis, place in enumerate(self.places)]

    @cached_property
    def depths(self) -> list[int]:
        """The slices across the axis that are gone through."""
        box = self.maps.shape[-1]
        most = min(max(PIXELS // self.maps[:, 0].size, 1), SLICES)
        step = max(1, -(-box // most))
        return list(range(box // 2 % step, box, step))

    @cached_property
    def start(self) -> int:
        """Which of :attr:`depths` is seen first: the one in which the maps differ most."""
        return int(np.argmin(np.abs(np.array(self.depths) - self.places[self.axis])))

    def through(self, number: int) -> bytes:
        """All slices of :attr:`depths`, side by side."""
        parts = [self._slice(self.maps[number], self.axis, depth) for depth in self.depths]
        return png(np.concatenate(parts, axis=1))

    def _projection(self, density: Float[ndarray, "d d d"], axis: int) -> UInt8[ndarray, "d d"]:
        low, high = self._projected[axis]
        return grey(density.sum(axis), low=low, high=high)

    def _slice(self, density: Float[ndarray, "d d d"], axis: int, depth: int) -> UInt8[ndarray, "d d"]:
        low, high = self._cut
        return grey(np.take(density, depth, axis=axis), low=low, high=high)

    @cached_property
    def _projected(self) -> list[tuple[float, float]]:
        views = [self.maps.sum(1 + axis) for axis in range(3)]
        return [(float(np.quantile(view, 0.05)), float(np.quantile(view, 0.999))) for view in views]

    @cached_property
    def _cut(self) -> tuple[float, float]:
        high = float(np.quantile(self.maps, 0.9995))
        return 0.0, high


def best_axis(maps: Maps) -> int:
    """The axis (0: z) along which most of what differs is seen beside, and not behind, each other."""
    return int(np.argmax([float(maps.sum(1 + axis).std(0).sum()) for axis in range(3)]))


def changed(
    changes: Maps, *, around: Others, axis: int, most: float | None = None
) -> tuple[list[bytes], float]:
    """Projections of changes along an axis, red for less and blue for more, and where the colours end."""
    z, y, x = frame(around.mean(0), around.std(0))
    views = changes[:, z, y, x].sum(1 + axis)
    end = float(np.quantile(np.abs(views), 0.9985)) if most is None else most
    return [png(change(view, most=end)) for view in views], end


def view_words(axis: int) -> str:
    """From where one looks, in words.

    >>> view_words(0)
    'along z (x to the right, y up)'
    """
    return (
        "along z (x to the right, y up)",
        "along y (x to the right, z up)",
        "along x (y to the right, z up)",
    )[axis]
