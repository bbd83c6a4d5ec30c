"""Methods by name: trimorph's own, those of other packages, and names that are none."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from trimorph.core.errors import InputError
from trimorph.methods import registry
from trimorph.methods.base import Method
from trimorph.methods.field import Field
from trimorph.methods.registry import METHODS, get_method, method_names


def test_own_methods_are_there() -> None:
    assert get_method("field") is Field
    assert set(METHODS) <= set(method_names())
    assert method_names() == sorted(set(method_names()))


@pytest.mark.parametrize("name", method_names())
def test_every_name_is_a_method(name: str) -> None:
    assert issubclass(get_method(name), Method)


def test_unknown_name_tells_all_and_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        get_method("feild")
    message = str(caught.value)
    assert 'Found method "feild"; wanted one of ' in message
    assert all(name in message for name in method_names())
    assert 'Did you mean "field"?' in message


def test_name_like_no_other_gets_no_advice() -> None:
    with pytest.raises(InputError) as caught:
        get_method("xyzzy")
    assert "Did you mean" not in str(caught.value)


def test_method_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = EntryPoint("foreign", "trimorph.methods.field:Field", "trimorph.methods")

    def installed(*, group: str) -> EntryPoints:
        return EntryPoints([foreign] if group == "trimorph.methods" else [])

    monkeypatch.setattr(registry, "entry_points", installed)
    assert method_names() == sorted({*METHODS, "foreign"})
    assert get_method("foreign") is Field
    with pytest.raises(InputError, match=r"foreign.*Did you mean \"foreign\""):
        get_method("forein")
