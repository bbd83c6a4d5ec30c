"""A progress bar with a line for each part of a longer piece of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def parts() -> Iterator[Callable[[str, int, int], None]]:
    """Show bars on standard error, and yield ``callback(part, done, total)`` that moves them.

    A part's bar comes with its first call and goes when it is done; between parts there is none. Where
    standard error is no terminal, nothing is drawn.

    >>> with parts() as tell:
    ...     tell("nulls", 1, 8)
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def tell(part: str, done: int, total: int) -> None:
        if part not in tasks:
            tasks[part] = progress.add_task(part, total=total)
            progress.start()
        progress.update(tasks[part], completed=done, total=total, visible=done < total)
        if done == total:
            progress.stop()

    try:
        yield tell
    finally:
        progress.stop()
