"""Checks of settings: bounds included or not, None, NaN, and what the message says."""

from __future__ import annotations

import pytest

from trimorph.core.checks import check_choice, check_range
from trimorph.core.errors import InputError


def test_values_within_bounds_pass() -> None:
    check_range("epochs", 1, least=1)
    check_range("warm_up", 1.0, least=0.0, most=1.0)
    check_range("warm_up", 0.0, least=0.0, most=1.0)
    check_range("rate", 1e-9, above=0)
    check_range("beta", None, least=0)
    check_choice("encoder", "none", ["pixels", "none"])


@pytest.mark.parametrize(
    ("value", "bounds", "wanted"),
    [
        (0, {"least": 1}, "at least 1"),
        (0.0, {"above": 0}, "more than 0"),
        (2.0, {"least": 0, "most": 1}, "at least 0 and at most 1"),
        (float("nan"), {"least": 0}, "at least 0"),
        (float("nan"), {"above": 0, "most": 2}, "more than 0 and at most 2"),
    ],
)
def test_value_out_of_bounds(value: float, bounds: dict[str, float], wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        check_range("warm_up", value, **bounds)
    assert str(caught.value) == f"Found warm_up = {value}; wanted {wanted}. Pass another value to --warm-up."


def test_choice_that_is_none_of_them() -> None:
    with pytest.raises(InputError) as caught:
        check_choice("encoder", "pixel", ["pixels", "none"])
    expected = 'Found encoder = "pixel"; wanted one of pixels, none. Pass another value to --encoder.'
    assert str(caught.value) == expected
