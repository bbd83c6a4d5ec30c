"""Loops as machine code, where numba is installed; without it they are done by torch, more slowly."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec


@lru_cache(maxsize=1)
def has_compiler() -> bool:
    """Whether numba is installed, without importing it."""
    return find_spec("numba") is not None


@lru_cache(maxsize=16)
def compiled(function: Callable[..., None]) -> Callable[..., None] | None:
    """A function of arrays and numbers as machine code, which lets other threads run; None without numba.

    None, too, where the numba that there is does not go with the numpy that there is.
    """
    if not has_compiler():
        return None
    try:
        numba = import_module("numba")
    except ImportError:
        return None
    made: Callable[..., None] = numba.njit(
        nogil=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy"
    )(function)
    return made
