"""The part of a report on what was run: method, settings, versions, commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from trimorph.analysis.report_html import Cell, Html, code, element, facts, how, join, section, table, text
from trimorph.analysis.report_numbers import counted, duration, size, word_cell
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.settings_file import field_docstrings

HOW = (
    "Only settings that differ from their defaults are listed; recipe.toml in the run's folder has all of "
    "them, and provenance.json the hashes of the input files. The commands are those that were typed: run "
    "again with the same version and seed, they give this result up to rounding."
)


def run_section(
    run: Run, *, epoch: int | None, command: str, call: str, seconds: Mapping[str, float]
) -> Html:
    """Facts of the run, settings that differ from their defaults, and the commands."""
    record = read_provenance(run.path)
    told = run_facts(run, record, epoch)
    if seconds:
        parted = ", ".join(f"{name} {duration(taken)}" for name, taken in seconds.items() if taken >= 1)
        told.append(("this analysis", duration(sum(seconds.values())) + (f" ({parted})" if parted else "")))
    parts = [how(HOW), facts((name, text(value)) for name, value in told)]
    parts.append(_settings(run.recipe))
    commands = [("Training", str(record.get("command", ""))), ("This analysis", command), ("In Python", call)]
    for name, words in commands:
        if words:
            parts += [element("h4", text(name)), code(words)]
    if record.get("inputs"):
        parts.append(_inputs(record["inputs"]))
    return section("run", "What was run", *parts)


def run_facts(run: Run, record: dict[str, Any], epoch: int | None) -> list[tuple[str, str]]:
    """Method, epochs, time, seed and versions."""
    epochs = [line for line in run.metrics() if line["kind"] == "epoch"]
    planned = sum(stage.epochs for stage in run.method(epoch).stages)
    versions = ", ".join(
        f"{name} {record[name]}" for name in ("trimorph", "torch", "numpy") if name in record
    )
    seconds = sum(line["seconds"] for line in epochs)
    return [
        ("method", run.recipe.method),
        ("latent dimension", str(run.method(epoch).latent_dim)),
        ("epochs", f"{len(epochs)} of {planned} trained; epoch {epoch} is shown here"),
        ("time in epochs", duration(seconds) if epochs else "not recorded"),
        ("started", str(record.get("started", "not recorded"))),
        ("seed", str(record.get("seed", run.recipe.training.seed))),
        ("versions", versions or "not recorded"),
        ("Python", str(record.get("python", "not recorded"))),
        ("computer", str(record.get("platform", "not recorded"))),
        ("folder", str(run.path)),
    ]


def read_provenance(folder: Path) -> dict[str, Any]:
    """What provenance.json says; nothing where it is missing."""
    path = folder / "provenance.json"
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def changed_settings(recipe: Recipe) -> list[tuple[str, Any, Any, str]]:
    """Settings that differ from their defaults: section.key, value, default, what it is."""
    rows = []
    for part in ("data", "settings", "training", "focus", "start"):
        settings = getattr(recipe, part)
        explained = field_docstrings(type(settings))
        for item in fields(settings):
            value, usual = getattr(settings, item.name), _default(item)
            if value != usual:
                rows.append((f"{part}.{item.name}", value, usual, explained.get(item.name, "")))
    return rows


def _default(item: Field[Any]) -> Any:
    if item.default is not MISSING:
        return item.default
    return None if item.default_factory is MISSING else item.default_factory()


def _settings(recipe: Recipe) -> Html:
    rows = [
        [
            Cell(element("code", text(name))),
            Cell(element("code", text("none" if value is None else value))),
            Cell(element("code", text("none" if usual is None else usual))),
            word_cell(meaning),
        ]
        for name, value, usual, meaning in changed_settings(recipe)
    ]
    if not rows:
        return element("p", text("All settings are the defaults."))
    return join(
        [
            element("h3", text("Settings that differ from their defaults")),
            table(
                ("setting", "value", "default", "what it is"),
                rows,
                caption=f"{counted(len(rows), 'setting')}; all others are the defaults",
            ),
        ]
    )


def _inputs(inputs: list[dict[str, Any]]) -> Html:
    rows = [
        [
            Cell(element("code", text(one["path"]))),
            word_cell(size(int(one["bytes"]))),
            Cell(element("code", text(str(one["sha256"])[:16] + "…"), title=str(one["sha256"]))),
            word_cell(one["covers"]),
        ]
        for one in inputs
    ]
    head = ("file", "size", "SHA-256", "of")
    return join(
        [element("h3", text("Input files")), table(head, rows, caption="input files when training began")]
    )
