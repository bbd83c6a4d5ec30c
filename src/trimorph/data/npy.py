"""numpy's files, read without pickles and with one kind of error."""

from __future__ import annotations

import tokenize
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError

_LONGEST_HEADER = 10**7
_DAMAGED = (
    ValueError,
    EOFError,
    TypeError,
    KeyError,
    SyntaxError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)


def read_npy(path: Path, *, wanted: str) -> NDArray[Any]:
    """Read the one array of a .npy file.

    Errors: OSError; InputError, which says what was ``wanted``, where it is not such a file.
    """
    try:
        found = np.load(path, allow_pickle=False, max_header_size=_LONGEST_HEADER)
    except _DAMAGED as error:
        raise InputError(
            f"{path}: found a file that numpy cannot read ({str(error)[:100]}); wanted {wanted}. Is it cut "
            "short, or of another kind?"
        ) from error
    if not isinstance(found, np.ndarray):
        raise InputError(f"{path}: found an archive of arrays; wanted {wanted}. Is it of another kind?")
    return found
