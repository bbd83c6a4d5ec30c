"""How fast images are read, prepared and served: python benchmarks/reading.py [--count 40000] [--threads 2].

Writes stacks of noise to a temporary folder and prints a table. Reading is from the page cache, as it is
when a stack was just copied or fits into memory; a disk or network that is slower than that is the limit
itself. CPU time is the sum over threads: on a machine with other work, divide the threads by it.

``--large 1000000 --folder DISK`` prepares that many images of 128 pixels in a file (a stack of 20,000 is
listed again and again) and reads all in random order, with nothing of the file in the cache at first.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.data.mrc import stack_writer
from trimorph.data.particles import ParticleStack
from trimorph.data.tables import ParticleTable, make_table

BATCH = 256
LARGE_BOX, LARGE_STACK = 128, 20_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=40000, help="images of 64 pixels; fewer of larger ones")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--large", type=int, default=0, help="instead: so many images of 128 pixels in a file"
    )
    parser.add_argument("--folder", help="where temporary files are written")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{_processor()}, {options.threads} threads, torch {torch.__version__}\n")
    print("| images | step | images/s | CPU µs an image |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.large:
            _large(options.large, Path(folder))
            return
        for box, target, size in [(64, 64, None), (128, 128, None), (128, 64, None), (128, None, 3.1)]:
            count = options.count * 64**2 // box**2
            table = _noise(Path(folder) / f"{box}.mrcs", count, box)
            name = f"{count} of {box} px" + ("" if target == box else f" to {target or 'pixels of 3.1 Å'}")
            _one(table, name, Path(folder), box=target, pixel_size=size)


def _one(table: ParticleTable, name: str, folder: Path, *, box: int | None, pixel_size: float | None) -> None:
    count = len(table)
    options = {"box": box, "pixel_size": pixel_size}
    memory, file = ParticleStack(table, **options), ParticleStack(table, **options)
    _say(name, "read and prepare to memory", count, lambda: memory.prepare(ram_limit=10**12), repeat=3)
    _say(name, "read and prepare to a file", count, lambda: file.prepare(folder, ram_limit=0))
    order = np.random.default_rng(0).permutation(count)
    half = memory.disk.limit(radius=memory.box / 4)
    rates = {}
    for what, limit in (("all frequencies", None), ("half the frequencies", half)):
        for where, stack in (("memory", memory), ("file", file)):
            step = f"batches of {BATCH}, {what}, from {where}"
            rates[where] = _say(name, step, count, partial(_epoch, stack, order, limit), repeat=5)
        print(f"| {name} | time from file / time from memory | {rates['memory'] / rates['file']:.2f} | |")


def _large(count: int, folder: Path) -> None:
    table = _noise(folder / "stack.mrcs", LARGE_STACK, LARGE_BOX)
    large, few = ParticleStack(table.select(np.arange(count) % LARGE_STACK)), ParticleStack(table)
    name = f"{count} of {LARGE_BOX} px"
    _say(name, "read and prepare to a file", count, lambda: large.prepare(folder, ram_limit=0))
    (file,) = folder.glob("prepared-*")
    print(f"| {name} | the file: {file.stat().st_size / 1e9:.2f} GB; memory so far: {_peak():.2f} GB | | |")
    order = np.random.default_rng(0).permutation(count)
    kinds = [("all frequencies", 2, 0.0), ("half the frequencies", 4, 0.0)]
    kinds += [
        (f"all frequencies, to a model that takes {pause} µs an image", 2, pause) for pause in (400, 200, 100)
    ]
    for what, part, pause in kinds:
        limit = large.disk.limit(radius=LARGE_BOX / part)
        rows = order if pause == 0 else order[: count // 25]
        _forget(file)
        work = partial(_epoch, large, rows, limit, pause)
        disk = _say(name, f"{what}, from the disk", len(rows), work)
        print(f"| {name} | largest memory of the process so far: {_peak():.2f} GB | | |")
        few.prepare(ram_limit=10**12)
        again, some = rows[: count // 10] % LARGE_STACK, f"{LARGE_STACK} of {LARGE_BOX} px"
        work = partial(_epoch, few, again, limit, pause)
        memory = _say(some, f"{what}, from memory", len(again), work)
        print(f"| | time from the disk / time from memory | {memory / disk:.2f} | |")


def _forget(file: Path) -> None:
    """Have the system write a file to the disk and drop it from its cache."""
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def _peak() -> float:
    """Largest memory of this process so far in GB, with what it has mapped of files."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _epoch(
    stack: ParticleStack, order: NDArray[np.int64], limit: FourierDisk | None = None, pause: float = 0.0
) -> None:
    """Take all batches, and ``pause`` µs over each image, as a model on a device would."""
    for batch in stack.batches(order, BATCH, limit=limit):
        time.sleep(1e-6 * pause * len(batch))


def _say(name: str, step: str, count: int, work: Callable[[], None], *, repeat: int = 1) -> float:
    best, least = float("inf"), float("inf")
    for _ in range(repeat):
        start, used = time.perf_counter(), time.process_time()
        work()
        best = min(best, time.perf_counter() - start)
        least = min(least, time.process_time() - used)
    print(f"| {name} | {step} | {count / best:,.0f} | {1e6 * least / count:.1f} |", flush=True)
    return count / best


def _noise(path: Path, count: int, box: int) -> ParticleTable:
    generator = np.random.default_rng(0)
    if not path.exists():
        with stack_writer(path, count=count, box=box, pixel_size=1.5) as writer:
            for start in range(0, count, 1000):
                some = min(1000, count - start)
                writer.write(generator.standard_normal((some, box, box), dtype=np.float32))
    ctf = CTF(defocus_u=generator.uniform(8e3, 2e4, count), defocus_v=generator.uniform(8e3, 2e4, count))
    return make_table(
        path,
        count,
        pixel_size=1.5,
        box=box,
        rotation=np.broadcast_to(np.eye(3), (count, 3, 3)).copy(),
        shift=generator.normal(size=(count, 2)) * 3,
        ctf=ctf,
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ")[1] for line in names if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
