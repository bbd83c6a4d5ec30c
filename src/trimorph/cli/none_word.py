"""The word none on the command line, for every option that may be left open."""

from __future__ import annotations

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo


def with_none() -> ConstructorRegistry:
    """Rules for tyro by which ``none``, as recipe files write it, and ``None`` stand for no value.

    >>> import tyro
    >>> def command(*, box: int | None = 64) -> int | None:
    ...     return box
    >>> [tyro.cli(command, args=["--box", word], registry=with_none()) for word in ("none", "None", "32")]
    [None, None, 32]
    """
    registry = ConstructorRegistry()
    registry.primitive_rule(_none_rule)
    return registry


def _none_rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[None] | None:
    if info.type is not type(None):
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="none",
        choices=("none", "None"),
        instance_from_str=lambda words: None,
        is_instance=lambda value: value is None,
        str_from_instance=lambda value: ["none"],
    )
