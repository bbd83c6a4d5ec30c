"""FitMap: a map as a structure is fitted to it, of any origin, voxel size and shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.core.point_field import PointField
from trimorph.data.mrc import read_map


@dataclass(frozen=True, eq=False)
class FitMap:
    """A density [z, y, x] of voxels of ``pixel_size`` Å, whose voxel 0 lies at ``corner`` (x, y, z) in Å."""

    source: Path
    values: NDArray[np.float32]
    pixel_size: float
    corner: NDArray[np.float64]

    @classmethod
    def read(cls, path: Path, *, pixel_size: float | None = None) -> FitMap:
        """Read a map.   Errors: those of :func:`read_map`; InputError for a map without contrast."""
        values, size, origin = read_map(path, pixel_size=pixel_size)
        if not float(np.ptp(values)) > 0:
            raise InputError(
                f"{path}: found the value {values.flat[0]:.4g} in every voxel; wanted a map of the particle. "
                "Was it written whole?"
            )
        return cls(path, values, size, np.asarray(origin))

    @cached_property
    def cube(self) -> Float[Tensor, "d d d"]:
        """The map less its mean, padded to a cube with zeros at the far ends."""
        box = max(self.values.shape)
        cube = torch.zeros(box, box, box)
        z, y, x = self.values.shape
        cube[:z, :y, :x] = torch.tensor(self.values - self.values.mean(dtype=np.float64))
        return cube

    @property
    def middle(self) -> NDArray[np.float64]:
        """Where the cube's origin voxel lies, (x, y, z) in Å."""
        return self.corner + (max(self.values.shape) // 2) * self.pixel_size

    @property
    def sides(self) -> NDArray[np.float64]:
        """Extent along x, y, z in Å."""
        return np.asarray(self.values.shape[::-1]) * self.pixel_size

    def resolution(self, given: float | None, *, default: float) -> float:
        """The resolution to fit at.   Errors: InputError for one finer than two voxels."""
        if given is None:
            return default
        if not given >= 2 * self.pixel_size:
            raise InputError(
                f"{self.source}: found a resolution of {given:g} Å for voxels of {self.pixel_size:.4g} Å; "
                f"wanted {2 * self.pixel_size:.4g} Å or more, two voxels. Pass a coarser --resolution."
            )
        return given

    def field(self, resolution: float, *, margin: float, sampling: float, mirrored: bool) -> PointField:
        """The map, or its mirror image in x about the origin voxel, at a resolution in Å."""
        cube = self.cube
        if mirrored:
            cube = cube.flip(2).roll(1 - len(cube) % 2, 2)
        return PointField.of(
            cube,
            self.pixel_size,
            resolution=resolution,
            margin=margin,
            sampling=sampling,
            volume=float(np.prod(self.sides)),
        )

    def holds(self, position: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether positions (n, 3) in the map's frame lie within it."""
        place = (position - self.corner) / self.pixel_size
        return np.asarray(((place > -0.5) & (place < np.asarray(self.values.shape[::-1]) - 0.5)).all(1))

    def require_room(self, position: NDArray[np.float64], source: Path) -> None:
        """Raise where a structure is longer than the map's diagonal."""
        reach = float(np.linalg.norm(position - position.mean(0), axis=1).max())
        diagonal = float(np.linalg.norm(self.sides))
        if 2 * reach > diagonal:
            sides = " x ".join(f"{side:.0f}" for side in self.sides)
            raise InputError(
                f"{source}: found a structure that reaches {reach:.0f} Å from its centre, for a map of "
                f"{sides} Å with a diagonal of {diagonal:.0f} Å; wanted one that has room in it. Is the "
                f"voxel size of {self.pixel_size:.4g} Å right? Else pass the part that the map shows."
            )
