"""Conditions on particles: from a line that a user types, or a file, to which of them fulfil it.

Letters: n particles, d latent components, p corners of a polygon.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.run.components import principal_components

FORM = "NAME:LOW:HIGH, such as z1:-1:2, pc1::0.5, magnitude::3 or distances.csv/hinge:20:"


@dataclass(frozen=True)
class Span:
    """Values of a name from ``low`` to ``high``, both included."""

    name: str
    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Span:
        """What a user types: a name and two limits, of which one may be left out.

        >>> Span.parse("pc1:-0.5:")
        Span(name='pc1', low=-0.5, high=inf)
        """
        name, *limits = text.rsplit(":", 2)
        if len(limits) != 2 or not name or not any(limits):
            raise InputError(f'Found the condition "{text}"; wanted {FORM}.')
        try:
            low, high = (
                float(limit) if limit.strip() else end
                for limit, end in zip(limits, (-np.inf, np.inf), strict=True)
            )
        except ValueError as error:
            raise InputError(f'Found the condition "{text}" ({error}); wanted {FORM}.') from error
        if not low <= high:
            raise InputError(
                f'Found the condition "{text}" from {low:g} to {high:g}; wanted the lower limit first.'
            )
        return cls(name, low, high)

    def holds(self, values: Float[ndarray, " n"]) -> Bool[ndarray, " n"]:
        """Which values lie in the span; what is not a number does not."""
        return (values >= self.low) & (values <= self.high)


def latent_column(mean: Float[ndarray, "n d"], name: str) -> Float[ndarray, " n"] | None:
    """A component (z1 ...), a principal component (pc1 ...), or the distance from the mean (magnitude).

    None for any other name.  Errors: InputError for a component that there is not.

    >>> latent_column(np.array([[1.0, 2.0], [3.0, 4.0]]), "z2").tolist()
    [2.0, 4.0]
    """
    centred = mean - mean.mean(0)
    if name == "magnitude":
        return np.linalg.norm(centred, axis=1)
    kind = "pc" if name.startswith("pc") else "z"
    number = name.removeprefix(kind)
    if not name.startswith(kind) or not number.isdigit():
        return None
    if not 1 <= int(number) <= mean.shape[1]:
        raise InputError(
            f'Found the component "{name}"; wanted {kind}1 to {kind}{mean.shape[1]}, as the latents have '
            f"{mean.shape[1]}."
        )
    values = centred @ principal_components(mean).T if kind == "pc" else mean
    column: Float[ndarray, " n"] = values[:, int(number) - 1]
    return column


def table_column(path: Path, name: str, *, count: int) -> Float[ndarray, " n"]:
    """A column of a .csv with a row a particle, by the numbers in its column ``particle`` if it has one.

    Particles without a row get nan.  Errors: FileNotFoundError; InputError.
    """
    from pandas import read_csv

    if not path.is_file():
        raise FileNotFoundError(f"{path}: found no such file; wanted a table with a row a particle.")
    try:
        table = read_csv(path, skipinitialspace=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a .csv ({str(error).splitlines()[0]}).") from error
    if name not in table:
        raise InputError(f'{path}: found no column "{name}"; it has {", ".join(map(str, table.columns))}.')
    values = table[name]
    if values.dtype.kind not in "ifub":
        raise InputError(f'{path}: found text in the column "{name}"; wanted numbers.')
    if "particle" not in table:
        if len(table) != count:
            raise InputError(
                f"{path}: found {len(table)} rows and no column particle; wanted a row for each of {count} "
                "particles."
            )
        return values.to_numpy(np.float64)
    rows = table["particle"].to_numpy(np.int64)
    if len(rows) and (rows.min() < 0 or rows.max() >= count):
        wrong = int(rows.min() if rows.min() < 0 else rows.max())
        raise InputError(
            f"{path}: found particle {wrong}; wanted 0 to {count - 1}. Was it made for another run?"
        )
    if len(np.unique(rows)) < len(rows):
        raise InputError(f"{path}: found several rows of one particle; wanted one each.")
    column = np.full(count, np.nan)
    column[rows] = values.to_numpy(np.float64)
    return column


def read_polygon(path: Path) -> Float[ndarray, "p 2"]:
    """Corners of a polygon: a text file with two numbers a line, parted by blanks or commas.

    Errors: FileNotFoundError; InputError for fewer than three corners, or something else than numbers.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: found no such file; wanted the corners of a polygon, one a line.")
    try:
        lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
        corners = np.loadtxt([line for line in lines if line.strip()], ndmin=2)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: found {str(error).splitlines()[0]}; wanted two numbers a line, the corners."
        ) from error
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise InputError(
            f"{path}: found {' x '.join(map(str, corners.shape))} numbers; wanted three corners or more, two "
            "finite numbers each."
        )
    return corners


def in_polygon(points: Float[ndarray, "n 2"], corners: Float[ndarray, "p 2"]) -> Bool[ndarray, " n"]:
    """Which points a polygon encloses, by the even-odd rule.

    >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    >>> in_polygon(np.array([[1.0, 1.0], [3.0, 1.0]]), square).tolist()
    [True, False]
    """
    inside = np.zeros(len(points), bool)
    x, y = points.T
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        across = (ay > y) != (by > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= across & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return inside


def nearest(mean: Float[ndarray, "n d"], z: Float[ndarray, " c"], count: int) -> Bool[ndarray, " n"]:
    """The ``count`` particles whose latents lie nearest to a point; of equals the first.

    Errors: InputError for a point of other components, or more particles than there are.
    """
    if z.shape != mean.shape[1:]:
        raise InputError(
            f"Found a point of {len(z)} components; wanted {mean.shape[1]}, the latent dimension of this run."
        )
    if not 1 <= count <= len(mean):
        raise InputError(f"Found {count} particles nearest to a point; wanted 1 to {len(mean)}.")
    chosen: Int[ndarray, " c"] = np.argsort(((mean - z) ** 2).sum(1), kind="stable")[:count]
    mask = np.zeros(len(mean), bool)
    mask[chosen] = True
    return mask
