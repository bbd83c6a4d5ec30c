"""The way from any method to one that moves a structure, or to an error that says what to do."""

from __future__ import annotations

from trimorph.core.errors import InputError
from trimorph.methods.base import Method
from trimorph.methods.structure_method import StructureMethod


def moves_structure(method: Method) -> bool:
    """Whether the method's model is a structure."""
    return isinstance(method, StructureMethod)


def require_structure(method: Method, *, name: str, source: str) -> StructureMethod:
    """The method as one that moves a structure.

    ``name`` is that of the method, and ``source`` that of the run, for errors.
    Errors: InputError for a method that moves none, or that was trained without latents.
    """
    if not isinstance(method, StructureMethod):
        raise InputError(
            f"{source}: found a run of the method {name}, which moves no structure; wanted one of segments. "
            "Train one: trimorph train segments particles.star --structure model.cif -o run. Maps of this "
            "run: trimorph volumes."
        )
    if method.latent_dim == 0:
        raise InputError(
            f"{source}: found a run of latent dimension 0, whose structure does not move; wanted one with "
            "latents. Train with --latent-dim 1 or more."
        )
    return method
