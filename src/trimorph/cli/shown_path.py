"""Paths as a terminal shows them."""

from __future__ import annotations

from pathlib import Path


def shown(path: Path) -> Path:
    """The path from the current folder, where it lies in it.

    >>> shown(Path.cwd() / "run" / "analysis")
    PosixPath('run/analysis')
    >>> shown(Path("/tmp/run"))
    PosixPath('/tmp/run')
    """
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
