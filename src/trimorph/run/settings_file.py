"""Settings dataclasses to TOML and back: their fields are the keys, their docstrings the comments."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

import tomli_w
from pydantic import TypeAdapter, ValidationError

from trimorph.core.errors import InputError

NONE = "none"
"""What stands in a file for a value that is not given, as TOML has no word for it."""

T = TypeVar("T")


def to_table(settings: Any) -> dict[str, Any]:
    """A settings dataclass as what TOML can hold."""
    return {field.name: _plain(getattr(settings, field.name)) for field in fields(settings)}


def from_table(kind: type[T], table: Any, *, source: str, section: str) -> T:
    """The settings dataclass that a table stands for; keys that are absent take their defaults.

    Errors: InputError for a key that the dataclass has not, naming the nearest, or a value of another type.
    """
    _check_keys(kind, table, source=source, section=section)
    text = json.dumps(_with_null(kind, table), default=str)
    try:
        return TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, InputError):
            raise InputError(f"{source}: [{section}] {cause}") from error
        raise InputError(
            f"{source}: [{section}] {place}: found {first['input']!r}; wanted: {first['msg']}. "
            "Correct the value, or leave the key out for its default."
        ) from error


def to_toml(settings: Any, *, section: str) -> str:
    """A section of a TOML file, each key under its field's docstring."""
    texts = field_docstrings(type(settings))
    lines = [f"[{section}]"]
    inner = []
    for name, value in to_table(settings).items():
        if isinstance(value, dict):
            inner.append(to_toml(getattr(settings, name), section=f"{section}.{name}"))
            continue
        lines += [f"# {line}" for line in textwrap.wrap(texts.get(name, ""), 100)]
        lines.append(tomli_w.dumps({name: value}).rstrip())
    return "\n".join([*lines, ""]) + "".join("\n" + text for text in inner)


def field_docstrings(kind: type[Any]) -> dict[str, str]:
    """The string under each field of a dataclass.

    >>> from trimorph.training.settings import TrainingSettings
    >>> field_docstrings(TrainingSettings)["seed"]
    'Seed of weights, order and sampling.'
    """
    found: dict[str, str] = {}
    for parent in reversed([cls for cls in kind.__mro__ if is_dataclass(cls)]):
        found |= _own_docstrings(parent)
    return found


def _own_docstrings(kind: type[Any]) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    if not isinstance(body, ast.ClassDef):
        return {}
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def nearest(name: str, known: list[str]) -> str:
    """A sentence that offers the known name nearest to an unknown one, or lists all of them."""
    near = get_close_matches(name, known, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"Known are: {', '.join(known)}."


def _check_keys(kind: Any, table: Any, *, source: str, section: str) -> None:
    if not isinstance(table, dict):
        raise InputError(f"{source}: found {section} = {table!r}; wanted a section [{section}] of keys.")
    known = [field.name for field in fields(kind)]
    types = get_type_hints(kind)
    for key, value in table.items():
        if key not in known:
            raise InputError(
                f'{source}: [{section}] found the unknown key "{key}"; wanted a setting of this section. '
                f"{nearest(key, known)}"
            )
        if is_dataclass(types[key]):
            _check_keys(types[key], value, source=source, section=f"{section}.{key}")


def _with_null(kind: Any, table: dict[str, Any]) -> dict[str, Any]:
    types = get_type_hints(kind)
    result: dict[str, Any] = {}
    for key, value in table.items():
        if is_dataclass(types[key]):
            result[key] = _with_null(types[key], value)
        else:
            result[key] = None if value == NONE and NoneType in get_args(types[key]) else value
    return result


def _plain(value: Any) -> Any:
    if value is None:
        return NONE
    if is_dataclass(value):
        return to_table(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
