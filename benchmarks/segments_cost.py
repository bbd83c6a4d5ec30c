"""Of segments.py: images a second in each stage of training, and the memory of a large structure."""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

import trimorph
from segments_runs import place, row, trained, truth_of
from segments_transition import start_of, transition_stack
from trimorph.data.residues import read_residues
from trimorph.data.structure import read_structure
from trimorph.data.template import Template
from trimorph.methods.segments import Segments
from trimorph.training.observer import Report, Silent


def speed(options: argparse.Namespace) -> None:
    """Images a second in each stage of training: by the clock and by the CPU seconds of all threads."""
    star = transition_stack(options, options.snr[0], options.seeds[0])
    torch.set_num_threads(options.threads)
    recipe = trained(options, star, start_of(options, star), options.seeds[0])[0].recipe
    training = replace(recipe.training, threads=options.threads)
    recipe = replace(recipe, settings=replace(recipe.settings, epochs=5), training=training)
    watch = _StopWatch()
    with tempfile.TemporaryDirectory() as folder:
        trimorph.train(recipe, Path(folder) / "run", observer=watch)
    row("stage", "resolution, Å", "images", "a second", "a CPU second", "threads")
    for stage, (steps, clock, cpu, resolution) in watch.stages.items():
        images = steps * (recipe.training.batch_size or Segments.BATCH_SIZE)
        rates = f"{images / clock:.0f}", f"{images / cpu:.0f}"
        row(stage, f"{resolution:.1f}", f"{images:.0f}", *rates, options.threads)


def memory(options: argparse.Namespace) -> None:
    """64 images of 128 px of a large structure."""
    star = options.folder / "large" / "large.star"
    if not star.exists():
        trimorph.simulate(options.structure, star.with_suffix(""), count=64, box=128, voxels=True)
    start = star.with_name("start.cif")
    if not start.exists():
        states = read_structure(options.structure)[:1]
        place(Template.read(options.structure), start, states=states, truth=truth_of(star))
    _, spent = trained(options, star, start, 0, words=["--epochs", "2", *options.options])
    row("residues", "highest memory, GB", "CPU s")
    row(len(read_residues(start)), f"{spent['memory'] / 1e9:.2f}", f"{spent['cpu']:.0f}")


class _StopWatch(Silent):
    """Adds up steps, wall and CPU seconds of each stage, but for its first steps."""

    def __init__(self) -> None:
        self.stages: dict[str, list[float]] = {}
        self.last: tuple[str, float, float] | None = None

    def step(self, report: Report) -> None:
        """A step is done."""
        now = time.monotonic(), time.process_time()
        if self.last is not None and self.last[0] == report.stage:
            total = self.stages.setdefault(report.stage, [0, 0.0, 0.0, report.resolution])
            total[0] += 1
            total[1] += now[0] - self.last[1]
            total[2] += now[1] - self.last[2]
        self.last = (report.stage, *now)
