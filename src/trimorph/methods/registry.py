"""The methods by name: trimorph's own, and those that other packages offer."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points

from trimorph.core.errors import InputError
from trimorph.methods.base import Method

METHODS = {
    "field": "trimorph.methods.field:Field",
    "gaussians": "trimorph.methods.gaussians:GaussianMixture",
    "linear": "trimorph.methods.linear:Linear",
    "segments": "trimorph.methods.segments:Segments",
}
"""Name -> module:class. Another package adds one by the entry point group ``trimorph.methods``."""


def method_names() -> list[str]:
    """Names of all methods that are installed.

    >>> "field" in method_names()
    True
    """
    return sorted({*METHODS, *(entry.name for entry in entry_points(group="trimorph.methods"))})


def get_method(name: str) -> type[Method]:
    """Class of a method; an unknown name is an error that tells the names there are."""
    for entry in entry_points(group="trimorph.methods"):
        if entry.name == name:
            found: type[Method] = entry.load()
            return found
    if name not in METHODS:
        near = get_close_matches(name, method_names(), n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise InputError(f'Found method "{name}"; wanted one of {", ".join(method_names())}.{hint}')
    module, _, attribute = METHODS[name].partition(":")
    method: type[Method] = getattr(import_module(module), attribute)
    return method
