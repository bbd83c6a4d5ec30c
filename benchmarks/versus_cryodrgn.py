"""trimorph's method field and cryoDRGN 4.3.1 on one stack: training speed, and what is learned by when.

    python benchmarks/versus_cryodrgn.py speed --box 128 --width 1024 --images 96 --batch 8
    python benchmarks/versus_cryodrgn.py learn --count 5000 --box 64 --width 256 --epochs 12

cryoDRGN is installed into an environment of its own (--rival). Both programs run in turn on the same images,
on one thread, with the same architecture. Times are wall times of training alone and, because other work on
the machine disturbs those, CPU seconds of the whole process as well.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import re
import resource
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import torch

import trimorph
from trimorph.evaluation.simulated_run import Recovery, score, score_run

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

SCORES = "Spearman, by neighbours, accuracy, FSC"


def main() -> None:
    """Run one of the two comparisons."""
    options = parse()
    options.folder.mkdir(parents=True, exist_ok=True)
    stack = simulated(options)
    rival = train_rival(options, stack)
    ours = train_ours(options, stack)
    if options.what == "speed":
        report_speed(options, rival, ours)
    else:
        report_learning(options, rival, ours)


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["speed", "learn"])
    parser.add_argument("--folder", type=Path, default=Path("versus"))
    parser.add_argument("--rival", type=Path, default=Path("rival-env"))
    parser.add_argument("--recipe", default="uniform")
    parser.add_argument("--count", "--images", type=int, default=5000)
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--latent-dim", type=int, default=4)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument(
        "--ours", nargs=argparse.REMAINDER, default=[], help="further options of trimorph train"
    )
    options = parser.parse_args()
    if options.what == "speed":
        options.epochs = 2
    return options


def simulated(options: argparse.Namespace) -> Path:
    """The stack that both see, made by slicing maps; kept between calls."""
    star = options.folder / f"{options.recipe}.star"
    if not star.exists():
        trimorph.simulate(
            options.recipe, star.with_suffix(""), count=options.count, box=options.box,
            pixel_size=256.0 / options.box, snr=options.snr, voxels=True, ceiling=options.what == "learn",
        )  # fmt: skip
    return star


def cryodrgn(options: argparse.Namespace) -> Path:
    """The rival's program, installed where it is not."""
    program = options.rival / "bin" / "cryodrgn"
    if not program.exists():
        venv.create(options.rival, with_pip=True)
        constraint = Path(__file__).parents[1] / "constraints.txt"
        pip = [str(options.rival / "bin" / "pip"), "install", "-q", "-c", str(constraint), "cryodrgn==4.3.1"]
        subprocess.run(pip, check=True)
    return program.absolute()


def train_rival(options: argparse.Namespace, star: Path) -> Path:
    """Train cryoDRGN as its manual says for such a stack; its folder."""
    output = options.folder / f"cryodrgn_{options.width}_{options.epochs}"
    if (output / f"weights.{options.epochs}.pkl").exists():
        return output
    program, folder, name = cryodrgn(options), options.folder, star.name
    run = {"cwd": folder, "env": ONE_THREAD, "check": True}
    subprocess.run([program, "parse_pose_star", name, "-o", "pose.pkl", "-D", str(options.box)], **run)
    subprocess.run([program, "parse_ctf_star", name, "-o", "ctf.pkl"], **run)
    words = f"""train_vae {star.stem}.mrcs --poses pose.pkl --ctf ctf.pkl --zdim {options.latent_dim}
        -n {options.epochs} -b {options.batch} --enc-dim {options.width} --enc-layers {options.layers}
        --dec-dim {options.width} --dec-layers {options.layers} --seed 0 --no-analysis -o {output.name}"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([program, *words.split()], **run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    save_cpu_seconds(output, before)
    return output


def train_ours(options: argparse.Namespace, star: Path) -> Path:
    """Train field on the same images with the same network; its folder."""
    output = options.folder / f"trimorph_{options.width}_{options.epochs}"
    if output.exists():
        return output
    words = f"""train field {star} -o {output} --latent-dim {options.latent_dim} --epochs {options.epochs}
        --width {options.width} --layers {options.layers} --encoder-width {options.width}
        --encoder-layers {options.layers} --encoder pixels --batch-size {options.batch} --threads 1
        --checkpoint-every 1"""
    if options.what == "speed":
        words += " --no-coarse-to-fine"
    program = Path(sys.executable).parent / "trimorph"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([program, *words.split(), *options.ours], env=ONE_THREAD, check=True)
    save_cpu_seconds(output, before)
    return output


def save_cpu_seconds(output: Path, before: resource.struct_rusage) -> None:
    """Leave the CPU time of the child that just ended beside its results."""
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    (output / "cpu_seconds.json").write_text(json.dumps(seconds))


def cpu_seconds(output: Path) -> float:
    """CPU time of a finished training."""
    return float(json.loads((output / "cpu_seconds.json").read_text()))


def rival_epoch_seconds(output: Path) -> float:
    """Wall seconds of the last epoch, as cryoDRGN's log says."""
    found = re.findall(r"=====> Epoch: .* Finished in (\d+):(\d+):([\d.]+)", (output / "run.log").read_text())
    hours, minutes, seconds = found[-1]
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def report_speed(options: argparse.Namespace, rival: Path, ours: Path) -> None:
    """Images a second in the second epoch of each."""
    theirs = options.count / rival_epoch_seconds(rival)
    lines = [line for line in trimorph.Run.open(ours).metrics() if "images_per_second" in line]
    mine = float(lines[-1]["images_per_second"])
    print(
        f"| program | {options.width}x{options.layers}, box {options.box}, batch {options.batch}: images/s |"
    )
    print("|---|---|")
    print(f"| cryoDRGN 4.3.1 | {theirs:.2f} |")
    print(f"| trimorph | {mine:.2f} |")
    print(f"| ratio | {mine / theirs:.2f} |")


def report_learning(options: argparse.Namespace, rival: Path, ours: Path) -> None:
    """Scores of both after every epoch."""
    truth = trimorph.Truth.read(options.folder / f"{options.recipe}_truth.npz")
    states = options.folder / f"{options.recipe}_states"
    run = trimorph.Run.open(ours)
    print(f"| epoch | cryoDRGN: {SCORES} | trimorph: {SCORES} |")
    print("|---|---|---|")
    for epoch in range(1, options.epochs + 1):
        theirs = score_rival(rival, truth, states, epoch)
        mine = score_run(run, truth, states, epoch=epoch)
        print(f"| {epoch} | {text(theirs)} | {text(mine)} |", flush=True)
    print(f"Ceiling: Spearman {number(mine.ceiling)}, accuracy {number(mine.accuracy_ceiling)}")
    for name, output in (("cryoDRGN", rival), ("trimorph", ours)):
        print(f"{name}: {cpu_seconds(output):.0f} CPU seconds in all")


def score_rival(output: Path, truth: trimorph.Truth, states: Path, epoch: int) -> Recovery:
    """The same scores on cryoDRGN's latents and on the maps that its decoder gives."""
    with (output / f"z.{epoch}.pkl").open("rb") as file:
        z = np.asarray(pickle.load(file))
    decoder = trimorph.load_cryodrgn(
        output / f"weights.{epoch}.pkl", output / "config.yaml", pixel_size=truth.pixel_size
    )
    return score(z, lambda latent: decoder.volume(torch.as_tensor(latent)).numpy(), truth, states)


def text(scores: Recovery) -> str:
    """One cell of the table."""
    values = (scores.correlation, scores.neighbour_correlation, scores.accuracy, scores.fsc)
    return ", ".join(number(value) for value in values)


def number(value: float | None) -> str:
    """Three decimals, or a dash where there is no number."""
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
