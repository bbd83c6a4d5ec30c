"""Companions: further processes of this machine that run the same command, to train one model together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch

from trimorph.core.checks import check_range


@contextmanager
def companions(words: Sequence[str], *, processes: int) -> Iterator[None]:
    """Make this process the first of several that run ``trimorph`` with the same words, until the block ends.

    The companions say nothing on the terminal; what they said last is shown when the work fails in a way that
    is no fault of the input. They stop when this process is asked to, as training shares that wish, and end
    with it. Each process gets its part of the threads. Nothing is done for one process, or where this one
    has companions already (torchrun).

    Errors: InputError for less than one process; the block's own.
    """
    check_range("processes", processes, least=1)
    if processes == 1 or "WORLD_SIZE" in os.environ:
        yield
        return
    all_threads = torch.get_num_threads()
    threads = max(1, all_threads // processes)
    together = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": str(threads),
    }
    before, on_end = dict(os.environ), signal.signal(signal.SIGTERM, _end)
    os.environ.update(together, RANK="0", LOCAL_RANK="0")
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / f"{rank}" for rank in range(1, processes)]
        others = [_start(words, rank, log) for rank, log in enumerate(logs, start=1)]
        try:
            yield
            for other in others:
                other.wait()
        except RuntimeError:
            for rank, log in enumerate(logs, start=1):
                print(f"process {rank + 1} of {processes}: {log.read_text().strip()}", file=sys.stderr)
            raise
        finally:
            for other in others:
                other.kill()
                other.wait()
            os.environ.clear()
            os.environ.update(before)
            signal.signal(signal.SIGTERM, on_end)
            torch.set_num_threads(all_threads)


def _end(number: int, frame: FrameType | None) -> None:
    """Leave by way of the ``finally`` that ends the companions, too."""
    sys.exit(128 + number)


def _start(words: Sequence[str], rank: int, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "trimorph", *words],
            env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
