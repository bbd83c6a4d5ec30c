"""Motion: where a moving part is in each state, on a line or round a circle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError

Path = Literal["line", "circle"]

_PREFIX, _ARRAYS = "motion_", ("path", "direction", "position", "radius")


@dataclass(frozen=True, eq=False)
class Motion:
    """The path of a moving part through k states, in the frame of the object.

    ``path`` is "line" or "circle"; ``direction`` (x, y, z) the unit vector along the line, towards growing
    coordinates, or that of the circle's axis, about which growing angles turn right-handed; ``position``
    (k, 3) the part's centroid in each state in Å, the coordinate of the first being zero; ``radius`` the
    part's own in Å.
    """

    path: Path
    direction: NDArray[np.float64]
    position: NDArray[np.float64]
    radius: float

    @property
    def circular(self) -> bool:
        """Whether the coordinate is an angle, and so has no ends."""
        return self.path == "circle"

    def coordinate_of(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinate (n,) of points (n, 3): Å along the line, or radians about the axis in (-pi, pi].

        >>> quarter = np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
        >>> ring = Motion("circle", np.array([0.0, 0, 1]), 40 * quarter, 12.0)
        >>> np.rad2deg(ring.coordinate_of(np.array([[5.0, 5, 3], [0, 1, -2]]))).round().tolist()
        [45.0, 90.0]
        """
        if not self.circular:
            return np.asarray((point - self.position[0]) @ self.direction)
        start = self.position[0] - self.position.mean(0)
        offset = point - self.position.mean(0)
        return np.arctan2(offset @ np.cross(self.direction, start), offset @ start)

    def about(self, origin: NDArray[np.float64]) -> Motion:
        """The same motion in a frame whose origin was at ``origin``."""
        return replace(self, position=self.position - origin)

    def arrays(self) -> dict[str, Any]:
        """What a truth file holds of it."""
        return {_PREFIX + name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any], source: str) -> Motion | None:
        """What :meth:`arrays` gave, of the file ``source``; None where it has no motion, as older ones."""
        if _PREFIX + "path" not in arrays:
            return None
        path, direction, position, radius = (arrays[_PREFIX + name] for name in _ARRAYS)
        if path.item() not in get_args(Path):
            raise InputError(
                f'{source}: found a path "{path.item()}"; wanted one of {", ".join(get_args(Path))}. '
                "Read the file with the version of trimorph that wrote it."
            )
        return cls(path.item(), direction, position, float(radius))
