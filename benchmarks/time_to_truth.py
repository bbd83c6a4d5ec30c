"""What a method has found of a known motion, and after how long.

    python benchmarks/time_to_truth.py field --folder out --epochs 6
    python benchmarks/time_to_truth.py gaussians --folder out --epochs 6 --options --encoder gradient

Each seed gives a stack of `uniform` (5,000 images of 64 px, SNR 0.1, sliced from maps), which stays in the
folder. Training is the command `trimorph train`, in a process of its own; times count from its start, with
reading, mean map and linear modes. Each row is an epoch: |Spearman| of the better of the first two principal
components with the true angle, Spearman of the angle as neighbours predict it, FSC of decoded maps with
their true maps, averaged over shells 1 to 31, without a mask.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import trimorph
from trimorph.evaluation.simulated_run import score_run


def main() -> None:
    """Train and score, seed after seed."""
    options = parse()
    print(
        f"{options.method} {' '.join(options.options)}, {options.epochs} epochs, {options.threads} threads\n"
    )
    print("| seed | epoch | wall s | component | by neighbours | FSC | CPU s in all |")
    print("|---|---|---|---|---|---|---|")
    for seed in options.seeds:
        star = simulated(options, seed)
        run, begun, spent = trained(options, star, seed)
        truth = trimorph.Truth.read(star.with_name(f"{star.stem}_truth.npz"))
        for epoch in range(1, options.epochs + 1):
            found = score_run(run, truth, star.with_name(f"{star.stem}_states"), epoch=epoch)
            wall = (run.path / "latents" / f"{epoch:04d}.npz").stat().st_mtime - begun
            values = (found.correlation, found.neighbour_correlation, found.fsc)
            cells = " | ".join(f"{value:.3f}" for value in values)
            last = f"{spent:.0f}" if epoch == options.epochs else ""
            print(f"| {seed} | {epoch} | {wall:.0f} | {cells} | {last} |", flush=True)
        print(f"Ceiling of seed {seed}: {truth.ceiling:.3f}")


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("method")
    parser.add_argument("--folder", type=Path, default=Path("time_to_truth"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--name", default="default", help="of the runs with these options")
    parser.add_argument(
        "--options", nargs=argparse.REMAINDER, default=[], help="further options of trimorph train"
    )
    return parser.parse_args()


def simulated(options: argparse.Namespace, seed: int) -> Path:
    """A seed's stack, made where it is not there yet."""
    star = options.folder / f"uniform_{seed}.star"
    if not star.exists():
        trimorph.simulate(
            "uniform", star.with_suffix(""), count=5000, box=64, pixel_size=4.0, snr=0.1, voxels=True,
            seed=seed, ceiling=True,
        )  # fmt: skip
    return star


def trained(options: argparse.Namespace, star: Path, seed: int) -> tuple[trimorph.Run, float, float]:
    """A new run, when its process began (seconds since 1970), and the CPU seconds that it took."""
    output = options.folder / f"{options.method}_{options.name}_{seed}"
    words = f"""train {options.method} {star} -o {output} --latent-dim 4 --epochs {options.epochs}
        --checkpoint-every 1 --threads {options.threads} --seed {seed}"""
    begun, before = time.time(), cpu_seconds()
    program = Path(sys.executable).parent / "trimorph"
    subprocess.run([program, *words.split(), *options.options], check=True, stdout=subprocess.DEVNULL)
    return trimorph.Run.open(output), begun, cpu_seconds() - before


def cpu_seconds() -> float:
    """CPU time of all children that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    main()
