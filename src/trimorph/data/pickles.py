"""Pickles of numpy arrays, read without running code from the file, and written."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path

_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *(
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    ),
}
_DAMAGED = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    MemoryError,
    OverflowError,
)


def read_arrays(path: Path) -> Any:
    """Read the first object of a pickle of numpy arrays, numbers, strings, lists, tuples and dictionaries.

    Anything else, which could run code, is refused.

    Errors: InputError; OSError where the file cannot be read.
    """
    with path.open("rb") as file:
        try:
            return _ArrayUnpickler(file).load()
        except _RefusedError as error:
            raise InputError(
                f"{path}: found a pickle that wants {error}; wanted numpy arrays alone. It was not opened, "
                "since a pickle can run any program: save the arrays as .npy."
            ) from error
        except _DAMAGED as error:
            raise InputError(
                f"{path}: found something else than a pickle of numpy arrays ({error}); wanted the file that "
                "cryoDRGN writes. Check the path."
            ) from error


def write_arrays(objects: Sequence[Any], path: Path, *, overwrite: bool) -> None:
    """Write objects one after another as pickles of numpy arrays, atomically."""
    with atomic_path(path, overwrite) as temporary, temporary.open("wb") as file:
        for item in objects:
            pickle.dump(item, file, protocol=4)


class _RefusedError(Exception):
    """A pickle asks for something else than arrays."""


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that makes numpy arrays and nothing else."""

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in _ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return super().find_class(module, name)
