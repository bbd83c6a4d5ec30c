"""Tally: what is counted while training goes on: terms, speed, time left."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.methods.base import Stage
from trimorph.training.metrics import MetricsLog
from trimorph.training.observer import Observer, Report
from trimorph.training.plan import Plan

NAMED_PARTICLES = 3
"""Particles that a message about a bad batch names."""


@dataclass(frozen=True)
class _Step:
    """A step under way: its number from 1, its terms' names, its learning rates' factor, its particles."""

    number: int
    terms: list[str]
    factor: float
    index: Tensor


@dataclass
class Tally:
    """Sums of an epoch and speed of the last steps; writes metrics.jsonl when it has a folder."""

    folder: Path | None
    observer: Observer
    plan: Plan
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    images: int = 0
    epoch_seconds: float = 0.0
    under_way: deque[_Step] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.metrics = None if self.folder is None else MetricsLog(self.folder / "metrics.jsonl")
        self.clock = monotonic()
        self.rate = 0.0

    def restart(self) -> None:
        """Forget the metrics of a run that never came to a checkpoint."""
        if self.metrics is not None:
            self.metrics.cut(epoch=0, step=0)

    def begin(self, stage: Stage, disk: FourierDisk) -> None:
        """Note the stage and its resolution, and start the clock."""
        self.stage, self.resolution = stage, disk.resolution
        self.clock = monotonic()

    def launched(self, number: int, *, terms: list[str], factor: float, index: Tensor) -> None:
        """A step was started; its numbers come later."""
        self.under_way.append(_Step(number, terms, factor, index))

    def skipped(self) -> str:
        """The oldest step under way was bad: where it was, for a message; later ones count for nothing."""
        step = self.under_way.popleft()
        self.under_way.clear()
        some = ", ".join(str(int(i)) for i in step.index[:NAMED_PARTICLES])
        return f"step {step.number} with particles {some}, ... ({len(step.index)} in all)"

    def add(self, values: Sequence[float], *, images: int, every: int) -> None:
        """The oldest step under way is done: its terms."""
        step = self.under_way.popleft()
        now = monotonic()
        passed, self.clock = now - self.clock, now
        self.seconds += passed
        self.epoch_seconds += passed
        self.steps += 1
        self.images += images
        for name, value in zip(step.terms, values, strict=True):
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.rate = self.images / max(self.epoch_seconds, 1e-9)
        report = self._report(step, dict(zip(step.terms, values, strict=True)), images)
        self.observer.step(report)
        if self.metrics is not None and step.number % every == 0:
            self.metrics.add(kind="step", **_line(report))
        self.last = report

    def end(self, *, epoch: int) -> None:
        """Write an epoch's means, and begin a new one."""
        if self.steps == 0:
            return
        means = {name: value / self.steps for name, value in self.sums.items()}
        if self.metrics is not None:
            self.metrics.add(kind="epoch", **_line(self.last) | {"epoch": epoch, "terms": means})
        said = "  ".join(f"{name} {value:.5g}" for name, value in means.items())
        self.observer.say(
            f"epoch {epoch}/{self.plan.epochs}  {said}  {self.rate:,.0f} images/s  "
            f"{self.resolution:.1f} Å  {self.epoch_seconds:.1f} s"
        )
        self.sums, self.steps, self.images, self.epoch_seconds = {}, 0, 0, 0.0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "seconds": self.seconds,
            "sums": dict(self.sums),
            "steps": self.steps,
            "images": self.images,
            "epoch_seconds": self.epoch_seconds,
        }

    def load(self, state: dict[str, Any], *, epoch: int, step: int) -> None:
        """Go on from a checkpoint after some epochs, at a step; metrics written after it are dropped."""
        self.seconds, self.sums = state["seconds"], dict(state["sums"])
        self.steps, self.images = state["steps"], state["images"]
        self.epoch_seconds = state["epoch_seconds"]
        if self.metrics is not None:
            self.metrics.cut(epoch=epoch, step=step)

    def _report(self, step: _Step, terms: dict[str, float], images: int) -> Report:
        done = self.plan.work(step.number - self.steps) - self.plan.work(step.number)
        left = self.plan.work(step.number) * self.epoch_seconds / max(done, 1.0)
        return Report(
            stage=self.stage.name,
            resolution=self.resolution,
            epoch=(step.number - 1) // self.plan.steps + 1,
            epochs=self.plan.epochs,
            step=step.number,
            steps=self.plan.total,
            terms=terms,
            learning_rate={k: rate * step.factor for k, rate in self.stage.learning_rate.items()},
            images_per_second=self.rate,
            seconds=self.seconds,
            seconds_left=left,
        )


def _line(report: Report) -> dict[str, Any]:
    """A report as a line of metrics.jsonl."""
    return {
        "step": report.step,
        "epoch": report.epoch,
        "stage": report.stage,
        "resolution": report.resolution,
        "terms": dict(report.terms),
        "learning_rate": dict(report.learning_rate),
        "images_per_second": report.images_per_second,
        "seconds": report.seconds,
    }
