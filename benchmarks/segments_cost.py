"""Of segments.py: images a second in training, and the memory of a large structure."""

from __future__ import annotations

import argparse

import trimorph
from segments_runs import place, row, trained, truth_of
from segments_transition import start_of, transition_stack
from trimorph.data.residues import read_residues
from trimorph.data.structure import read_structure
from trimorph.data.template import Template
from trimorph.training.metrics import read_metrics


def speed(options: argparse.Namespace) -> None:
    """Images a second in each of five epochs, and of all of them together, by the clock."""
    star = transition_stack(options, options.snr[0], options.seeds[0])
    words = ["--epochs", "5", *options.options]
    run, _ = trained(
        options, star, start_of(options, star), options.seeds[0], name=f"{options.name}_speed", words=words
    )
    epochs = [line for line in read_metrics(run.path / "metrics.jsonl") if line["kind"] == "epoch"]
    row("epoch", "stage", "resolution, Å", "images a second")
    for line in epochs:
        row(line["epoch"], line["stage"], f"{line['resolution']:.1f}", f"{line['images_per_second']:.0f}")
    mean = len(epochs) / sum(1 / line["images_per_second"] for line in epochs)
    row("all", "", "", f"{mean:.0f}")


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
