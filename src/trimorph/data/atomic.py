"""Atomic writing: a file appears whole under its name, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path | str, overwrite: bool = False) -> Iterator[Path]:
    """Yield a name in the same folder to write to; on success it takes the place of ``path``.

    If the block raises, what was written is removed and ``path`` is as it was. The temporary name keeps the
    suffix, so that writers that look at it behave the same.

    Errors: FileExistsError where ``path`` exists and ``overwrite`` is false; FileNotFoundError where its
    folder does not exist.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_path(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    _refuse_to_replace(path, overwrite)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{path}: the folder {path.parent} does not exist. Make it first, or choose another name."
        )
    temporary = path.with_name(f".{path.stem[:64]}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        _flush(temporary)
        _refuse_to_replace(path, overwrite)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _refuse_to_replace(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path}: found a folder; wanted a file name. Choose another name.")
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{path}: the file exists already and was left as it is. Choose another name, or pass "
            "--overwrite."
        )


def _flush(path: Path) -> None:
    """Have the file's bytes on disk before its name changes."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
