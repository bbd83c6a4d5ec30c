"""Interruption: Ctrl-C and a scheduler's SIGTERM end training at the next step, with a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop and did; ``checkpoint`` is where it can go on from."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__(f"stopped; checkpoint {checkpoint}")
        self.checkpoint = checkpoint


@dataclass
class Request:
    """Whether a stop was asked for."""

    stop: bool = False


@contextmanager
def stop_requests() -> Iterator[Request]:
    """Turn the first Ctrl-C or SIGTERM into a request; a second Ctrl-C ends the program at once."""
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, frame: FrameType | None) -> None:
        request.stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
