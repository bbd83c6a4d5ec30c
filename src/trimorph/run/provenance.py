"""Provenance: which program made a run, from which input, by which command."""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trimorph.core.conventions import VERSION
from trimorph.core.errors import InputError

ENDS = 4096
"""Bytes at each end of an image stack that its hash covers."""


def provenance(metadata: Iterable[Path], stacks: Iterable[Path], *, seed: int) -> dict[str, Any]:
    """What provenance.json holds; ``metadata`` are the files that are hashed as a whole."""
    return {
        "trimorph": version("trimorph"),
        "convention": VERSION,
        "command": shlex.join(sys.argv),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "inputs": [
            *(fingerprint(path, whole=True) for path in metadata),
            *(fingerprint(path, whole=False) for path in stacks),
        ],
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "platform": platform.platform(),
    }


def fingerprint(path: Path, *, whole: bool) -> dict[str, Any]:
    """Path, size and SHA-256 of a file, or of its two ends alone."""
    with path.open("rb") as file:
        if whole:
            digest = hashlib.file_digest(file, "sha256")
        else:
            digest = hashlib.sha256(file.read(ENDS))
            file.seek(-min(ENDS, path.stat().st_size), 2)
            digest.update(file.read(ENDS))
    covers = "all" if whole else f"{ENDS} bytes at each end"
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": digest.hexdigest(), "covers": covers}


def check_unchanged(path: Path) -> None:
    """Compare the inputs that a provenance.json names with the files as they are.

    Errors: FileNotFoundError, InputError naming the file that is another now.
    """
    for recorded in json.loads(path.read_text(encoding="utf-8"))["inputs"]:
        file = Path(recorded["path"])
        if not file.is_file():
            raise FileNotFoundError(
                f"{file}: found no file; wanted the input that the run in {path.parent} started from. "
                "Put it back, or start a new run."
            )
        if fingerprint(file, whole=recorded["covers"] == "all") != recorded:
            raise InputError(
                f"{file}: found a file that has changed since the run in {path.parent} started from it; "
                "wanted the same. Put the old file back, or start a new run."
            )
