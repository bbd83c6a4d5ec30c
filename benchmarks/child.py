"""A command in a process of its own, and the kernel's account of it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def account(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """CPU and wall seconds that the command and its children took, and the bytes of memory at most."""
    words, began = [str(word) for word in command], time.monotonic()
    child = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(words)}: ended with status {status}")
    return {
        "cpu": used.ru_utime + used.ru_stime,
        "wall": time.monotonic() - began,
        "memory": 1024.0 * used.ru_maxrss,
    }
