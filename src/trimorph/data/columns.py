"""Columns of a file as checked numbers: no value that is missing, not a number or out of range goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError

LARGEST = 1e12
"""No physical quantity of a particle file is larger in any unit; float32 would still hold it."""


def numbers(
    values: Any, *, source: Path, column: str, low: float = -LARGEST, high: float = LARGEST, block: str = ""
) -> NDArray[np.float64]:
    """Strings or numbers as float64, all finite and within [low, high].

    ``values`` has one entry (or one row of entries) a data row.

    Errors: InputError naming file, row and column.

    >>> numbers(["1.5", "2e3"], source=Path("a.star"), column="rlnDefocusU")
    array([1.5e+00, 2.0e+03])
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        array = _parse(array, source=source, column=column, block=block)
    array = array.astype(np.float64)
    inside = np.isfinite(array) & (array >= low) & (array <= high)
    if not inside.all():
        row = int(np.flatnonzero(~inside.reshape(len(array), -1).all(axis=1))[0])
        span = "a finite number" if low <= -LARGEST and high >= LARGEST else f"a number {_span(low, high)}"
        raise bad_value(source, row, column, found=values[row], wanted=span, block=block)
    return array


def whole_numbers(
    values: Any, *, source: Path, column: str, low: int = 0, block: str = ""
) -> NDArray[np.int64]:
    """The same for integers.

    >>> whole_numbers(["1", "02"], source=Path("a.star"), column="rlnRandomSubset")
    array([1, 2])
    """
    array = numbers(values, source=source, column=column, low=float(low), block=block)
    broken = np.flatnonzero(array != np.round(array))
    if broken.size:
        row = int(broken[0])
        raise bad_value(source, row, column, found=values[row], wanted="a whole number", block=block)
    return array.astype(np.int64)


def bad_value(
    source: Path, row: int, column: str, *, found: object, wanted: str, block: str = ""
) -> InputError:
    """The error for one value; ``row`` counts from 0 and is printed from 1."""
    where = f"row {row + 1} of data_{block}" if block else f"row {row + 1}"
    shown = f'"{found}"' if isinstance(found, str) else f"{found}"
    return InputError(
        f"{source}: {where}, column {column}: found {shown}; wanted {wanted}. Correct the value or remove "
        "that row."
    )


def missing_column(
    source: Path, column: str, *, found: Sequence[str], wanted_for: str, advice: str
) -> InputError:
    """The error for a column that is not there."""
    listed = ", ".join(found[:40]) + (", ..." if len(found) > 40 else "")
    return InputError(
        f"{source}: column {column} is missing; it is wanted for {wanted_for}. Found columns {listed}. "
        f"{advice}"
    )


def _parse(array: NDArray[Any], *, source: Path, column: str, block: str) -> NDArray[np.float64]:
    try:
        return np.fromiter(map(float, array.ravel()), dtype=np.float64, count=array.size).reshape(array.shape)
    except (ValueError, TypeError):
        for row, value in enumerate(array.ravel()):
            if not _is_number(value):
                raise bad_value(
                    source, row, column, found=value, wanted="a finite number", block=block
                ) from None
        raise


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError):
        return False
    return True


def _span(low: float, high: float) -> str:
    if high >= LARGEST:
        return f"of at least {low:g}"
    return f"of at most {high:g}" if low <= -LARGEST else f"from {low:g} to {high:g}"
