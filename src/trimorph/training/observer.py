"""Observer: who is told how training goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Report:
    """Where training is after a step; ``seconds_left`` is an estimate, ``terms`` are those of the step."""

    stage: str
    resolution: float
    epoch: int
    epochs: int
    step: int
    steps: int
    terms: Mapping[str, float]
    learning_rate: Mapping[str, float]
    images_per_second: float
    seconds: float
    seconds_left: float


@runtime_checkable
class Observer(Protocol):
    """Is told of every image prepared, of each step, and of what a log would say."""

    def step(self, report: Report) -> None:
        """A step is done."""

    def prepare(self, done: int, count: int) -> None:
        """So many of the images are ready to be learned from."""

    def say(self, text: str) -> None:
        """One line worth reading."""


class Silent:
    """Nobody."""

    def step(self, report: Report) -> None:
        """Nothing."""

    def prepare(self, done: int, count: int) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


class LogFile:
    """Writes what is said to log.txt with the time, and passes everything on."""

    def __init__(self, path: Path, onward: Observer) -> None:
        self.path, self.onward = path, onward

    def step(self, report: Report) -> None:
        """Pass a report on."""
        self.onward.step(report)

    def prepare(self, done: int, count: int) -> None:
        """Pass the numbers on."""
        self.onward.prepare(done, count)

    def say(self, text: str) -> None:
        """Append a line, and pass it on."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n")
        self.onward.say(text)
