"""The page of the method lists every setting with its default."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from trimorph.methods.gaussians import GaussiansSettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "method-gaussians.md"
_ROW = re.compile(r"^\| `--([a-z-]+)` \| ([^|\n]*) \|[^|\n]*\|[^|\n]*\|$", re.M)


def test_the_table_holds_all_settings_and_their_defaults() -> None:
    table = dict(_ROW.findall(PAGE.read_text(encoding="utf-8")))
    assert sorted(table) == sorted(item.name.replace("_", "-") for item in fields(GaussiansSettings))
    for item in fields(GaussiansSettings):
        said = table[item.name.replace("_", "-")]
        words = {True: "on", False: "off"}
        if item.default is not None:  # else the page says in words what is found
            assert said == (words[item.default] if isinstance(item.default, bool) else str(item.default))
