"""A new folder that appears whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


def refuse_folder_in_use(path: Path, *, holds: str, flag: str = "-o") -> None:
    """Raise FileExistsError where something is at the path already; ``holds`` says what it is wanted for.

    ``flag`` is the option by which another is chosen.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(
            f"{path}: found {'a folder that is not empty' if path.is_dir() else 'a file'}; wanted a new "
            f"folder for the {holds}, and nothing was changed. Choose another with {flag}."
        )


@contextmanager
def new_folder(path: Path, *, holds: str) -> Iterator[Path]:
    """Yield a folder to write to, which becomes ``path`` when all is written.

    Errors: FileExistsError where something is there already; ``holds`` says what the folder is for.
    """
    refuse_folder_in_use(path, holds=holds)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as temporary:
        inner = Path(temporary) / path.name
        inner.mkdir()
        yield inner
        inner.replace(path)
