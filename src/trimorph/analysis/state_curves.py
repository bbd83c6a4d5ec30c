"""FSC curves of a state: of its half maps, and of its own map and the model's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.analysis.analysis import StateFiles
from trimorph.data.mrc import read_map
from trimorph.reconstruction.fsc import shell_correlation


@dataclass(frozen=True, eq=False)
class StateCurves:
    """FSC on shells of a box of ``box`` voxels of ``pixel_size`` Å; None where there is no own map.

    ``halves`` is the one that the resolution is quoted from: in the mask and corrected, where it was written.
    """

    box: int
    pixel_size: float
    halves: Float[ndarray, " s"] | None = None
    with_model: Float[ndarray, " s"] | None = None

    @property
    def frequency(self) -> Float[ndarray, " s"]:
        """Of the shells, in 1/Å."""
        return np.arange(self.box // 2 + 1) / (self.box * self.pixel_size)


def read_curves(folder: Path, state: StateFiles) -> StateCurves:
    """The curves of one state, from its table if it has one, else from its half maps."""
    decoded = read_map(folder / state.map)
    box, pixel_size = len(decoded.values), decoded.pixel_size
    if state.own is None:
        return StateCurves(box, pixel_size)
    own = read_map(folder / state.own).values
    with_model = None
    if own.shape == decoded.values.shape:
        with_model = shell_correlation(own, decoded.values, pixel_size=pixel_size).unmasked
    return StateCurves(box, pixel_size, _halves(folder, state, pixel_size), with_model)


def _halves(folder: Path, state: StateFiles, pixel_size: float) -> Float[ndarray, " s"] | None:
    if state.curves is not None:
        table = np.genfromtxt(folder / state.curves, delimiter=",", names=True)
        names = table.dtype.names or ()
        found: Float[ndarray, " s"] = table["corrected" if "corrected" in names else "unmasked"]
        return found
    if state.half1 is None or state.half2 is None:
        return None
    halves = [read_map(folder / path).values for path in (state.half1, state.half2)]
    return shell_correlation(halves[0], halves[1], pixel_size=pixel_size).unmasked
