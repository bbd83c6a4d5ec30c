"""Checks of settings: a value out of its range is an error that tells the range and the flag."""

from __future__ import annotations

from collections.abc import Sequence

from trimorph.core.errors import InputError


def check_range(
    name: str,
    value: int | float | None,
    *,
    least: int | float | None = None,
    above: int | float | None = None,
    most: int | float | None = None,
) -> None:
    """Raise InputError unless least <= value <= most and value > above; a value of None passes.

    >>> check_range("epochs", 0, least=1)
    Traceback (most recent call last):
    trimorph.core.errors.InputError: Found epochs = 0; wanted at least 1. Pass another value to --epochs.
    """
    if value is None:
        return
    bounds = [
        (f"at least {least}", least is None or value >= least),
        (f"more than {above}", above is None or value > above),
        (f"at most {most}", most is None or value <= most),
    ]
    if all(met for _, met in bounds):
        return
    given = zip(bounds, (least, above, most), strict=True)
    wanted = " and ".join(text for (text, _), bound in given if bound is not None)
    raise InputError(f"Found {name} = {value}; wanted {wanted}. Pass another value to {_flag(name)}.")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise InputError unless the value is one of the choices."""
    if value not in choices:
        raise InputError(
            f'Found {name} = "{value}"; wanted one of {", ".join(choices)}. '
            f"Pass another value to {_flag(name)}."
        )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
