"""The method segments against known truths: a turned domain, adenylate kinase opening, cost.

    python benchmarks/segments.py ceilings adk_dims_heavy.pdb.gz --folder out --snr 0.1 0.01 0.001
    python benchmarks/segments.py transition adk_dims_heavy.pdb.gz --folder out --snr 0.01
    python benchmarks/segments.py transition adk_dims_heavy.pdb.gz --folder out --method field
    python benchmarks/segments.py toy --folder out --segments 2 6 25
    python benchmarks/segments.py speed adk_dims_heavy.pdb.gz --folder out --threads 2
    python benchmarks/segments.py memory 4v5a.cif.gz --folder out

Stacks are sliced from maps (`--voxels`); stacks and runs stay in the folder and are not made again. Training
is the command `trimorph train`, in a process of its own; its CPU seconds and highest memory are the kernel's
account of that process. What follows --options goes to the command, and --name tells runs with other options
apart.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr

import trimorph
from trimorph.core.fsc import fourier_shell_correlation, resolution_at
from trimorph.data.ensemble import mixture_weights
from trimorph.data.hinge import turn
from trimorph.data.mrc import read_map, write_map
from trimorph.data.residues import Residues, read_residues
from trimorph.data.scattering import AtomicDensity
from trimorph.data.structure import Structure, read_structure
from trimorph.data.template import Template
from trimorph.evaluation.recovery import neighbour_correlation
from trimorph.methods.segments import Segments
from trimorph.run.structures_backbone import Backbone
from trimorph.run.structures_distances import Distance
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_quality import new_clashes
from trimorph.training.observer import Report, Silent

ADK = Path(trimorph.__file__).parent / "data" / "examples" / "adk_closed.pdb"
GROUPS = "A:118-160 to A:30-59"
"""LID and NMP, between whose centroids the distance is measured."""

TURNED, AXIS, ANGLES, SPREAD, STEP = (122, 159), (0.0, 1.0, 0.0), (math.pi / 3, 2 * math.pi / 3), 0.2, 0.05
"""Of the toy: residues, axis through the structure's centroid, radians."""

CORRELATIONS = ("Pearson", "Spearman", "error, Å")

LOOKED_AT, STRUCTURES, KNOWN = 50, 2000, 1000
"""Images whose maps are compared, structures in which clashes are counted, images that ceilings are of."""


def main() -> None:
    """Make one of the tables."""
    tables = {
        "ceilings": ceilings, "transition": transition, "toy": toy, "speed": speed, "memory": memory,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", choices=tables)
    parser.add_argument("structure", type=Path, nargs="?", help="trajectory or structure")
    parser.add_argument("--folder", type=Path, default=Path("segments"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--snr", nargs="+", default=["0.1"])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--pixel-size", type=float, default=2.0)
    parser.add_argument("--method", default="segments", choices=["segments", "field"])
    parser.add_argument("--segments", type=int, nargs="+", default=[6])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", default="default", help="of the runs with these options")
    parser.add_argument(
        "--options", nargs=argparse.REMAINDER, default=[], help="further options of trimorph train"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables[options.table](options)


def ceilings(options: argparse.Namespace) -> None:
    """Distance between LID and NMP, as an observer expects it who knows all but the state."""
    row("box", "pixel, Å", "SNR", "seed", *CORRELATIONS)
    for snr in options.snr:
        for seed in options.seeds:
            row(options.box, f"{options.pixel_size:g}", snr, seed, *ceiling(options, snr, seed))


def ceiling(options: argparse.Namespace, snr: str, seed: int) -> list[str]:
    """Correlations of the distance that is expected of an image with its own, in other images of the kind."""
    star = transition_stack(options, snr, seed, count=KNOWN, ceiling=True)
    truth, distance = truth_of(star), state_distances(options.structure)
    assert truth.state_probability is not None
    return correlations(truth.state_probability @ distance, distance[truth.state])


def transition(options: argparse.Namespace) -> None:
    """Adenylate kinase from closed to open; the start is the first state alone."""
    row("SNR", "seed", "latents", *CORRELATIONS, "by neighbours", "FSC 0.5, Å", "0.143, Å",
        "of atoms: 0.5, Å", "0.143, Å", "new clashes in random structures", "segments", "CPU s")  # fmt: skip
    for snr in options.snr:
        for seed in options.seeds:
            transition_rows(options, snr, seed)


def transition_rows(options: argparse.Namespace, snr: str, seed: int) -> None:
    """Of one stack: what was found, the start without a motion, and what could be found."""
    star = transition_stack(options, snr, seed)
    run, spent = trained(options, star, start_of(options, star), seed)
    truth, z = truth_of(star), run.latents().mean
    distance = state_distances(options.structure)[truth.state]
    near, cpu = f"{neighbour_correlation(z, distance):.3f}", f"{spent['cpu']:.0f}"
    maps = resolutions(star, lambda image: run.volume(z[image]))
    if options.method == "field":
        row(snr, seed, f"field {options.name}", "-", "-", "-", near, *maps, "-", "-", "-", "-", cpu)
        return
    structure = MovingStructure.of(run)
    places = structure.move_backbone(z)
    found = Distance.parse(GROUPS, structure.residues).of(places)
    random = places[np.random.default_rng(0).permutation(len(z))[:STRUCTURES]]
    atoms = resolutions(star, lambda image: atom_map(structure, structure.move_atoms(z[[image]])[0], truth))
    row(snr, seed, options.name, *correlations(found, distance), near, *maps, *atoms,
        clashing(random, structure.backbone.position), len(structure.method.segments()), cpu)  # fmt: skip
    still, unmoved = run.volume(0 * z[0]), atom_map(structure, structure.atoms, truth)
    maps, atoms = resolutions(star, lambda _: still), resolutions(star, lambda _: unmoved)
    row(snr, seed, "the start", "-", "-", "-", "-", *maps, *atoms, "-", "-", "-")
    true = state_places(options.structure)
    row(snr, seed, "true states", *["-"] * 8, clashing(true, true[0]), "-", "-")
    row(snr, seed, "ceiling", *ceiling(options, snr, seed), *["-"] * 8)


def toy(options: argparse.Namespace) -> None:
    """A domain turned by 60 or 120 degrees, give or take 11, about an axis through the centroid."""
    row("SNR", "seed", "most segments", "|Spearman| of the angle", "error, degrees",
        "segments that hold residues", "boundaries off by", "CPU s")  # fmt: skip
    for snr in options.snr:
        for seed in options.seeds:
            star = toy_stack(options, snr, seed)
            angle = truth_of(star).state * STEP
            for most in options.segments:
                words = ["--segments", str(most), "--clash", "0", *options.options]
                start, name = star.with_name("start.pdb"), f"{options.name}_{most}"
                run, spent = trained(options, star, start, seed, name=name, words=words)
                structure = MovingStructure.of(run)
                found = turned_angle(structure, run.latents().mean)
                error = np.degrees(np.sqrt(np.mean((found - angle) ** 2)))
                rank = abs(spearmanr(found, angle).statistic)
                left = len(structure.method.segments())
                row(snr, seed, most, f"{rank:.3f}", f"{error:.1f}", left,
                    boundary_errors(structure), f"{spent['cpu']:.0f}")  # fmt: skip


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


def transition_stack(
    options: argparse.Namespace, snr: str, seed: int, *, count: int | None = None, ceiling: bool = False
) -> Path:
    """Images of the trajectory's states, all alike often."""
    grid = f"{options.box}_{options.pixel_size:g}"
    folder, count = options.folder / "transition" / grid, count or options.count
    star = folder / f"{count}_{snr}_{seed}.star"
    if not star.exists():
        maps = state_maps(folder / "maps", read_structure(options.structure), options)
        trimorph.simulate(
            maps, star.with_suffix(""), count=count, snr=float(snr), seed=seed, ceiling=ceiling, states=False
        )
    return star


def toy_stack(options: argparse.Namespace, snr: str, seed: int) -> Path:
    """Images of closed adenylate kinase with its LID turned, on a fine grid of angles."""
    folder = options.folder / "toy" / f"{options.box}_{options.pixel_size:g}"
    star, start = folder / f"{options.count}_{snr}_{seed}.star", folder / "start.pdb"
    angles = STEP * np.arange(math.ceil((ANGLES[1] + 4 * SPREAD) / STEP))
    if not star.exists():
        states = [turned(first_model(ADK), angle) for angle in angles]
        maps = state_maps(folder / "maps", states, options)
        weights = mixture_weights(len(states), step=STEP, means=ANGLES, deviation=SPREAD)
        trimorph.simulate(
            maps, star.with_suffix(""), count=options.count, snr=float(snr), seed=seed, states=False,
            weights=tuple(weights),
        )  # fmt: skip
        if not start.exists():
            place(Template.read(ADK), start, states=states, truth=truth_of(star))
    return star


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


def turned(structure: Structure, angle: float) -> Structure:
    """The structure with the toy's residues turned about the axis through the centroid."""
    moving = (structure.residue >= TURNED[0]) & (structure.residue <= TURNED[1])
    return turn(structure, moving, angle=angle, axis=np.array(AXIS), pivot=structure.position.mean(0))


def start_of(options: argparse.Namespace, star: Path) -> Path:
    """The trajectory's first state, where the images have it, in the frame of their map."""
    start = star.with_name("start.pdb")
    if not start.exists():
        states = read_structure(options.structure)
        place(Template.read(options.structure), start, states=states, truth=truth_of(star))
    return start


def place(template: Template, path: Path, *, states: Sequence[Structure], truth: trimorph.Truth) -> None:
    """Write a structure with the middle of the states at the origin voxel, counted from the map's corner."""
    template.write(path, [template.position - middle_of(states) + truth.box // 2 * truth.pixel_size])


def middle_of(states: Sequence[Structure]) -> NDArray[np.float64]:
    """What lies at the box's centre: the mean of the states' centroids."""
    return np.mean([state.position.mean(0) for state in states], axis=0)


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
    account = output.with_name(f"{output.name}.json")
    if not account.exists():
        command = (
            f"train {options.method} {star} -o {output} --seed {seed} --threads {options.threads}".split()
        )
        command += ["--structure", str(start)] if options.method == "segments" else []
        command += options.options if words is None else words
        threads = {"OMP_NUM_THREADS": str(options.threads), "MKL_NUM_THREADS": str(options.threads)}
        surroundings = {**os.environ, **threads, "CUDA_VISIBLE_DEVICES": ""}
        began = time.monotonic()
        program = Path(sys.executable).parent / "trimorph"
        child = subprocess.Popen([program, *command], env=surroundings, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        if status != 0:
            raise SystemExit(f"{' '.join(command)}: ended with status {status}")
        spent = {
            "cpu": used.ru_utime + used.ru_stime, "wall": time.monotonic() - began,
            "memory": 1024.0 * used.ru_maxrss,
        }  # fmt: skip
        account.write_text(json.dumps(spent))
    return trimorph.Run.open(output), json.loads(account.read_text())


def truth_of(star: Path) -> trimorph.Truth:
    return trimorph.Truth.read(star.with_name(f"{star.stem}_truth.npz"))


@cache
def state_distances(structure: Path) -> NDArray[np.float64]:
    """Distance in Å between the CA centroids of the two groups in each model."""
    return Distance.parse(GROUPS, Residues.of(first_model(structure))).of(state_places(structure))


@cache
def state_places(structure: Path) -> NDArray[np.float64]:
    """CA (s, g, 3) of each model in Å."""
    residues = Residues.of(first_model(structure))
    return np.stack([Backbone.of(model, residues).position for model in read_structure(structure)])


def turned_angle(structure: MovingStructure, z: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn (v,) in radians of the toy's moving residues about its axis, from 0 to 2 pi."""
    number = structure.residues.first.residue
    moving = (number >= TURNED[0]) & (number <= TURNED[1])
    before = structure.backbone.position[moving]
    turns = [
        Rotation.align_vectors(after - after.mean(0), before - before.mean(0))[0]
        for after in structure.move_backbone(z)[:, moving]
    ]
    quaternion = np.array([turn.as_quat() for turn in turns])
    return 2 * np.arctan2(quaternion[:, :3] @ np.array(AXIS), quaternion[:, 3]) % (2 * np.pi)


def clashing(places: NDArray[np.float64], start: NDArray[np.float64]) -> str:
    """How many structures have CA within 4 Å that are not so close at the start, and how close they come."""
    counts, closest, _ = new_clashes(places, start)
    near = f", {np.nanmin(closest):.2f} Å" if counts.any() else ""
    return f"{np.count_nonzero(counts)} of {len(places)}{near}"


def resolutions(star: Path, volume: Callable[[int], NDArray[np.float32]]) -> list[str]:
    """Where the mean FSC of images' maps with their true maps falls to 0.5 and to 0.143, in Å."""
    truth = truth_of(star)
    chosen = np.linspace(0, len(truth) - 1, LOOKED_AT).astype(int)
    curves = [
        fourier_shell_correlation(torch.tensor(volume(image)), true_map(star, truth.state[image]))
        for image in chosen.tolist()
    ]
    mean = torch.stack(curves).mean(0)
    levels = [resolution_at(mean, at, box=truth.box, pixel_size=truth.pixel_size) for at in (0.5, 0.143)]
    return [f"{level:.2f}" for level in levels]


def atom_map(
    structure: MovingStructure, place: NDArray[np.float64], truth: trimorph.Truth
) -> NDArray[np.float32]:
    """The map of all atoms, where they stand, drawn as the simulator draws its states."""
    model = first_model(structure.template.source).move(place)
    density = AtomicDensity.of(model, resolution=2 * truth.pixel_size, origin=structure.middle)
    return density.voxels(truth.box, truth.pixel_size)[0].numpy()


@cache
def first_model(path: Path) -> Structure:
    return read_structure(path)[0]


def true_map(star: Path, state: int) -> torch.Tensor:
    """The map of a state."""
    return torch.tensor(read_map(star.with_name("maps") / f"{state:03d}.mrc").values)


def boundary_errors(structure: MovingStructure) -> str:
    """How many residues the toy's boundaries are from the nearest that were found."""
    segments = structure.method.segments()
    owner = np.full(len(structure.residues), -1)
    for segment in segments:
        owner[list(segment.residues)] = segment.number
    found = 1 + np.flatnonzero(np.diff(owner))
    ends = np.searchsorted(structure.residues.first.residue, [TURNED[0], TURNED[1] + 1])
    return ", ".join(str(np.abs(found - end).min()) if len(found) else "-" for end in ends)


def correlations(found: NDArray[np.float64], true: NDArray[np.float64]) -> list[str]:
    """Pearson's, Spearman's, and the root mean square difference."""
    error = np.sqrt(np.mean((found - true) ** 2))
    rank = spearmanr(found, true).statistic
    return [f"{np.corrcoef(found, true)[0, 1]:.3f}", f"{rank:.3f}", f"{error:.2f}"]


def row(*cells: object) -> None:
    """A row of a table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
