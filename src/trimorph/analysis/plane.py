"""Plane: two coordinates of every particle, and what is drawn of a column in it.

Letters: n particles, m of them, h hexagons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray

from trimorph.analysis.report_tiles import colour_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import Colormap

SCATTERED = 20_000
"""Particles that are drawn as points, at random, where there are more; hexagons count all."""

CELLS = 50
"""Hexagons across a picture."""

LEAST = 5
"""Particles that make a mean worth a hexagon, where there are many."""

SURE = 2.0
"""Length of the mean direction times the root of the number, beyond which it is no chance (1 in 50)."""

OUTSIDE = 0.002
"""Share of the particles at each end of an axis that may lie beyond the picture."""


FEW = 10
"""Different values up to which a column is shown as kinds, each in its colour."""

UNITS = {"defocus": "µm", "astigmatism": "Å", "phase_shift": "degrees", "rot": "degrees", "tilt": "degrees",
         "psi": "degrees"}  # fmt: skip
"""Units in which columns are shown; defocus in other ones than in tables, where it is in Å."""

CIRCULAR = ("rot", "psi")
"""Columns of angles that go round."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A column as it is drawn: a number for each particle, what to write beside it, and its kinds, if few.

    Texts are numbered: few as ``kinds``, from 0, many along the file.
    """

    values: Float[ndarray, " n"]
    label: str
    kinds: tuple[str, ...] = ()
    circular: bool = False

    @classmethod
    def of(cls, name: str, values: NDArray[Any]) -> Shown:
        """Choose how a column is drawn.

        >>> Shown.of("class", np.array([3, 7, 3])).kinds, Shown.of("defocus", np.array([1e4, 2e4])).label
        (('3', '7'), 'defocus (µm)')
        """
        label = f"{name} ({UNITS[name]})" if name in UNITS else name
        scale = 1e-4 if name == "defocus" else 1.0
        different, first, number = np.unique(values, return_index=True, return_inverse=True)
        if values.dtype.kind not in "fc" and len(different) <= FEW:
            return cls(number.astype(np.float64), label, tuple(map(str, different.tolist())))
        if values.dtype.kind in "iufb":
            return cls(scale * values.astype(np.float64), label, circular=name in CIRCULAR)
        return cls(first.argsort().argsort()[number].astype(np.float64), f"{label}, counted along the file")

    @property
    def colours(self) -> str:
        """The scale of colours."""
        return "twilight" if self.circular else "viridis"


@dataclass(frozen=True, eq=False)
class Plane:
    """Coordinates ``x`` and ``y`` (n,) of all particles and the names of the axes."""

    x: Float[ndarray, " n"]
    y: Float[ndarray, " n"]
    names: tuple[str, str]

    @property
    def limits(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Ends of both axes, so that a few particles far out do not press all others together."""
        return axis_limits(self.x), axis_limits(self.y)

    def some(self, seed: int = 0) -> Int[ndarray, " m"]:
        """Numbers of particles that are drawn as points, in random order so that none lie on top."""
        return np.random.default_rng(seed).permutation(len(self.x))[:SCATTERED]

    def frame(self, axes: Axes) -> None:
        """Set limits and names of the axes."""
        axes.set(xlim=self.limits[0], ylim=self.limits[1], xlabel=self.names[0], ylabel=self.names[1])
        axes.spines[["top", "right"]].set_visible(False)

    def hexagons(self, axes: Axes, shown: Shown | None = None) -> None:
        """Draw hexagons by their number of particles, on a logarithmic scale, or by the mean of a column.

        Particles whose value is not a number are left out. The scale is that of all particles, so that means
        that differ by chance alone look the same.
        """
        label, least = "particles", 1
        if shown is not None:
            label = f"mean of {shown.label}"
            least = int(np.clip(len(self.x) // 2000, 1, LEAST))
        if shown is None:
            drawn = self._cells(axes, np.ones(len(self.x)), reduce=np.sum, colours=_dark_blues())
            drawn.set_norm("log")
        elif shown.circular:
            drawn = self._directions(axes, shown, least=least)
        elif len(shown.kinds) > 2:
            drawn = self._cells(axes, shown.values, reduce=_commonest, colours=_kinds(shown), least=least)
            drawn.set_clim(-0.5, len(shown.kinds) - 0.5)
            label = f"commonest {shown.label}"
        else:
            drawn = self._cells(axes, shown.values, reduce=np.mean, colours=shown.colours, least=least)
            if shown.kinds:
                drawn.set_clim(0.0, 1.0)
                label = f"share of {shown.label} {shown.kinds[-1]}"
            elif np.isfinite(shown.values).any():
                drawn.set_clim(*colour_limits(shown.values))
        self.frame(axes)
        bar = axes.figure.colorbar(drawn, ax=axes, label=label, shrink=0.85, pad=0.02, aspect=28)
        if shown is not None and len(shown.kinds) > 2:
            bar.set_ticks(range(len(shown.kinds)), labels=shown.kinds)

    def _directions(self, axes: Axes, shown: Shown, *, least: int) -> PolyCollection:
        """Hexagons by the mean direction of angles in degrees, grey where they may have none (Rayleigh)."""
        angle = np.deg2rad(shown.values)
        drawn, sine, number = (
            self._cells(axes, part, reduce=reduce, colours=shown.colours, least=least)
            for part, reduce in ((np.cos(angle), np.mean), (np.sin(angle), np.mean), (0 * angle + 1, np.sum))
        )
        x, y, count = _numbers(drawn), _numbers(sine), _numbers(number)
        for one in (sine, number):
            one.remove()
        chance = np.hypot(x, y) * np.sqrt(count) < SURE
        drawn.set_array(np.ma.masked_where(chance, np.rad2deg(np.arctan2(y, x))))
        drawn.set_cmap(drawn.get_cmap().with_extremes(bad="#d9d9d9"))
        drawn.set_clim(-180.0, 180.0)
        return drawn

    def _cells(
        self,
        axes: Axes,
        values: Float[ndarray, " n"],
        *,
        reduce: Callable[[Any], Any],
        colours: str | Colormap,
        least: int = 1,
    ) -> PolyCollection:
        (left, right), (low, high) = self.limits
        known = np.isfinite(values)
        return axes.hexbin(
            self.x[known],
            self.y[known],
            C=values[known],
            reduce_C_function=reduce,
            gridsize=CELLS,
            extent=(left, right, low, high),
            cmap=colours,
            mincnt=least,
            linewidths=0.1,
        )


def axis_limits(values: Float[ndarray, " n"]) -> tuple[float, float]:
    """Ends of an axis on which all but a few values lie, with some room.

    >>> axis_limits(np.array([-1.0, *np.zeros(998), 9.0]))
    (-1.5, 1.5)
    """
    low, high = (float(value) for value in np.quantile(values, (OUTSIDE, 1 - OUTSIDE)))
    room = 0.04 * (high - low) or 0.5
    return max(low - 3 * room, float(values.min()) - room), min(high + 3 * room, float(values.max()) + room)


def _dark_blues() -> Colormap:
    """Blues of which the palest is still seen on white."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["Blues"](np.linspace(0.25, 1.0, 256)))


def _kinds(shown: Shown) -> Colormap:
    """One colour for each kind."""
    from matplotlib.colors import ListedColormap

    return ListedColormap([colour_of(kind) for kind in range(len(shown.kinds))])


def _commonest(values: list[float]) -> int:
    return int(np.bincount(np.asarray(values, np.int64)).argmax())


def _numbers(drawn: PolyCollection) -> Float[ndarray, " h"]:
    return np.ma.filled(np.ma.asarray(drawn.get_array(), np.float64), np.nan)


def colour_limits(values: Float[ndarray, " n"]) -> tuple[float, float]:
    """Ends of a scale of colours, that a few values may exceed.

    >>> colour_limits(np.array([1.0, 1.0]))
    (0.5, 1.5)
    """
    low, high = (float(value) for value in np.nanquantile(values, (0.01, 0.99)))
    return (low, high) if high > low else (low - 0.5, high + 0.5)
