"""TrainingDisplay: how training goes, as a bar in a terminal and as plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from trimorph.training.observer import Report


class TrainingDisplay:
    """An observer for a console; a context manager, as a bar must be taken away at the end."""

    def __init__(self) -> None:
        first = os.environ.get("RANK", "0") == "0"  # of processes that train together, one speaks
        self.console = Console(
            file=sys.stdout, highlight=False, markup=False, soft_wrap=True, quiet=not first
        )
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.images: TaskID | None = None
        if self.console.is_terminal and first:
            self.bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[text]}", markup=False),
                console=self.console,
                transient=True,
            )

    def __enter__(self) -> TrainingDisplay:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def prepare(self, done: int, count: int) -> None:
        """Move the bar of the images."""
        if self.bar is None:
            return
        if self.images is None:
            self.images = self.bar.add_task("preparing images", text="")
        self.bar.update(self.images, completed=done, total=count, text=f"{done:,} of {count:,}")
        if done == count:
            self.bar.remove_task(self.images)

    def step(self, report: Report) -> None:
        """Move the bar."""
        if self.bar is None:
            return
        if self.task is None:
            self.task = self.bar.add_task("", text="")
        terms = "  ".join(f"{name} {value:.4g}" for name, value in report.terms.items())
        self.bar.update(
            self.task,
            description=f"{report.stage} {report.epoch}/{report.epochs}",
            completed=report.step,
            total=report.steps,
            text=f"{terms}  {report.images_per_second:,.0f} images/s  {_clock(report.seconds_left)} left",
        )

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(text)
        self.console.file.flush()


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _clock(3725.4)
    '1:02:05'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
