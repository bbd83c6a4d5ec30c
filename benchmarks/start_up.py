"""How long `trimorph --help` takes: .venv/bin/python benchmarks/start_up.py

Wanted: under 0.5 s. Each command is started afresh ten times; the median and the slowest are printed, beside
those of Python alone, and a slower median is the exit status.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

REPEATS = 10
LIMIT = 0.5


def main() -> int:
    trimorph = str(Path(sys.executable).parent / "trimorph")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "trimorph --help": [trimorph, "--help"],
        "trimorph --version": [trimorph, "--version"],
        "trimorph train --help": [trimorph, "train", "--help"],
    }
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    medians = {}
    for name, command in commands.items():
        seconds = [_time(command) for _ in range(REPEATS)]
        medians[name] = statistics.median(seconds)
        print(f"{name:24} median {medians[name]:.3f} s   slowest {max(seconds):.3f} s")
    return int(medians["trimorph --help"] > LIMIT)


def _time(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
