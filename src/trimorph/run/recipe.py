"""Recipe: all that a run is told, as one value and as one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.data.open import ParticleInput
from trimorph.methods.base import Method, Problem
from trimorph.methods.registry import get_method
from trimorph.run.focus import FocusSettings
from trimorph.run.settings_file import from_table, nearest, to_table, to_toml
from trimorph.run.start import StartSettings
from trimorph.training.settings import TrainingSettings

T = TypeVar("T", ParticleInput, FocusSettings, StartSettings)

FREE_TO_CHANGE = {
    "training.device",
    "training.compile",
    "training.checkpoint_every",
    "training.checkpoint_minutes",
    "training.metrics_every",
    "training.threads",
}
"""Keys that may differ when a run goes on: they change nothing but rounding."""


@dataclass(frozen=True)
class Recipe:
    """A method by name with its settings, the particles, and how to train."""

    method: str
    data: ParticleInput
    settings: Any
    training: TrainingSettings
    focus: FocusSettings = field(default_factory=FocusSettings)
    start: StartSettings = field(default_factory=StartSettings)

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that the recipe names beside the particles."""
        return self.focus.files + self.start.files

    def resolved(self) -> Recipe:
        """The same recipe with absolute paths and a batch size, which holds wherever it is read."""
        size = self.training.batch_size or get_method(self.method).BATCH_SIZE
        training = replace(self.training, batch_size=size)
        return replace(
            self,
            data=_rooted(self.data),
            training=training,
            focus=_rooted(self.focus),
            start=_rooted(self.start),
        )

    def to_toml(self) -> str:
        """The recipe as a commented TOML file."""
        sections = [
            to_toml(self.data, section="data"),
            to_toml(self.settings, section="settings"),
            to_toml(self.training, section="training"),
            to_toml(self.focus, section="focus"),
            to_toml(self.start, section="start"),
        ]
        return "\n".join([f'method = "{self.method}"\n', *sections])

    def save(self, path: Path) -> None:
        """Write the TOML file; an existing one is an error."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.to_toml(), encoding="utf-8")

    @classmethod
    def from_toml(cls, text: str, *, source: str = "recipe") -> Recipe:
        """Read a recipe; ``source`` names it in errors.

        Errors: InputError for text that is not TOML, an unknown method, section or key, a value of a wrong
        type.
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{source}: found text that is not TOML ({error}); wanted a recipe.") from error
        known = [item.name for item in fields(cls)]
        for key in table:
            if key not in known:
                raise InputError(
                    f'{source}: found the unknown section "{key}"; wanted method, [data], [settings], '
                    f"[training], [focus] and [start]. {nearest(key, known)}"
                )
        for key, wanted in (("method", 'method = "field"'), ("data", '[data] with particles = "..."')):
            if key not in table:
                raise InputError(f"{source}: found no {key}; wanted {wanted}. Add it.")
        method = str(table["method"])
        return cls(
            method=method,
            data=from_table(ParticleInput, table["data"], source=source, section="data"),
            settings=from_table(
                get_method(method).Settings, table.get("settings", {}), source=source, section="settings"
            ),
            training=from_table(
                TrainingSettings, table.get("training", {}), source=source, section="training"
            ),
            focus=from_table(FocusSettings, table.get("focus", {}), source=source, section="focus"),
            start=from_table(StartSettings, table.get("start", {}), source=source, section="start"),
        )

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a TOML file."""
        if not path.is_file():
            raise FileNotFoundError(f"{path}: found no file; wanted a recipe. Check the path.")
        return cls.from_toml(path.read_text(encoding="utf-8"), source=str(path))

    def differences(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """Keys whose values differ, with the value of this recipe and that of the other."""
        mine, its = self._flat(), other._flat()
        return {
            key: (mine.get(key), its.get(key))
            for key in dict.fromkeys([*mine, *its])
            if mine.get(key) != its.get(key)
        }

    def _flat(self) -> dict[str, Any]:
        sections = ("data", "settings", "training", "focus", "start")
        table = {name: to_table(getattr(self, name)) for name in sections}
        return {"method": self.method, **_flatten(table)}


def build_method(recipe: Recipe, problem: Problem) -> Method:
    """The recipe's method with fresh weights, drawn from the recipe's seed."""
    torch.manual_seed(recipe.training.seed)
    kind: Any = get_method(recipe.method)
    method: Method = kind(recipe.settings, problem)
    return method


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _rooted(part: T) -> T:
    """The same settings with absolute paths."""
    return replace(part, **{item.name: _absolute(getattr(part, item.name)) for item in fields(part)})


def _absolute(value: Any) -> Any:
    if isinstance(value, Path):
        return value.absolute()
    return tuple(_absolute(item) for item in value) if isinstance(value, tuple) else value
