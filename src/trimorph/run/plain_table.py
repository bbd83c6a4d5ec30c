"""Plain tables: comma-separated values as a spreadsheet opens them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from trimorph.data.atomic import atomic_path


def write_table(path: Path, rows: Iterable[dict[str, Any]], *, overwrite: bool = False) -> None:
    """Write rows with the names of the first as header; numbers to six figures, NaN as an empty cell.

    Errors: FileExistsError.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
        writer.writerow([_plain(value) for value in row.values()])
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines of text.   Errors: FileExistsError."""
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _plain(value: Any) -> str:
    """A value as text.

    >>> _plain(np.float32(0.1)), _plain(float("nan")), _plain(3), _plain(-0.0)
    ('0.1', '', '3', '0')
    """
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value + 0.0:.6g}"
    return str(value)
