"""What the tables of segments.py share: maps of states, starts, runs in a process of their own, rows."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import trimorph
from child import account
from trimorph.data.mrc import write_map
from trimorph.data.scattering import AtomicDensity
from trimorph.data.structure import Structure, read_structure
from trimorph.data.template import Template


def trained(
    options: argparse.Namespace,
    star: Path,
    start: Path,
    seed: int,
    *,
    name: str | None = None,
    words: list[str] | None = None,
) -> tuple[trimorph.Run, dict[str, float]]:
    """The run of a stack beside it, and what its process took: CPU and wall seconds, bytes at most."""
    output = star.with_name(f"{star.stem}_{options.method}_{name or options.name}")
    kept = output.with_name(f"{output.name}.json")
    if not kept.exists():
        program = Path(sys.executable).parent / "trimorph"
        command = [program, "train", options.method, star, "-o", output, "--seed", str(seed)]
        command += ["--threads", str(options.threads)]
        command += ["--structure", start] if options.method == "segments" else []
        command += options.options if words is None else words
        threads = {"OMP_NUM_THREADS": str(options.threads), "MKL_NUM_THREADS": str(options.threads)}
        surroundings = {**os.environ, **threads, "CUDA_VISIBLE_DEVICES": ""}
        kept.write_text(json.dumps(account(command, environment=surroundings)))
    return trimorph.Run.open(output), json.loads(kept.read_text())


def state_maps(folder: Path, states: Sequence[Structure], options: argparse.Namespace) -> list[Path]:
    """Maps of structures about the mean of their centroids, as the simulator draws them."""
    paths = [folder / f"{number:03d}.mrc" for number in range(len(states))]
    if not folder.exists():
        folder.mkdir(parents=True)
        middle = middle_of(states)
        for path, state in zip(paths, states, strict=True):
            density = AtomicDensity.of(state, resolution=2 * options.pixel_size, origin=middle)
            write_map(path, density.voxels(options.box, options.pixel_size)[0].numpy(), options.pixel_size)
    return paths


def place(template: Template, path: Path, *, states: Sequence[Structure], truth: trimorph.Truth) -> None:
    """Write a structure with the middle of the states at the origin voxel, counted from the map's corner."""
    template.write(path, [template.position - middle_of(states) + truth.box // 2 * truth.pixel_size])


def middle_of(states: Sequence[Structure]) -> NDArray[np.float64]:
    """What lies at the box's centre: the mean of the states' centroids."""
    return np.mean([state.position.mean(0) for state in states], axis=0)


def truth_of(star: Path) -> trimorph.Truth:
    return trimorph.Truth.read(star.with_name(f"{star.stem}_truth.npz"))


@cache
def first_model(path: Path) -> Structure:
    return read_structure(path)[0]


def row(*cells: object) -> None:
    """A row of a table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
