"""MetricsLog: numbers of a run, one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trimorph.data.atomic import atomic_path


class MetricsLog:
    """Appends lines to a file that can be followed while it grows, and cuts it back when a run resumes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, **values: Any) -> None:
        """Append one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values, allow_nan=False) + "\n")

    def cut(self, *, epoch: int, step: int) -> None:
        """Keep the lines of finished epochs, and those of the next one up to ``step``.

        The rest was written by a run that was cut short. Another number of processes counts other steps, so
        a finished epoch is known by its number alone.
        """
        if not self.path.exists():
            return
        kept = [
            line
            for line in read_metrics(self.path)
            if line["epoch"] <= epoch or (line["epoch"] == epoch + 1 and line["step"] <= step)
        ]
        with atomic_path(self.path, overwrite=True) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a last line that was cut off in the middle is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]
