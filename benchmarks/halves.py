"""Two halves of a data set, trained apart and cross-encoded: do they find the same states?

    python benchmarks/halves.py --folder out --count 4000 --box 32 --snr 0.1

The even/odd test of Chen & Ludtke, Nature Methods 18 (2021) 930, on `trimorph simulate compositional`: the
two models share nothing but poses and CTF. The latents of each model's own particles are clustered. Half 2 is
also encoded by the model of half 1, and each of its particles goes to the nearest cluster there: clusters
that share most particles match. A row is a pair of matched clusters, with the FSC of the two models' maps.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import trimorph
from trimorph.core.fsc import fourier_shell_correlation, resolution_at


def main() -> None:
    """Simulate, train twice, encode across, match, and compare maps."""
    options = parse()
    star = options.folder / "compositional.star"
    if not star.exists():
        words = f"""simulate compositional -o {star.with_suffix("")} --count {options.count}
            --box {options.box} --snr {options.snr} --voxels --seed {options.seed}"""
        call(words.split())
    runs = [options.folder / f"{options.method}_{half}" for half in (1, 2)]
    for half, run in enumerate(runs, start=1):
        if not run.exists():
            words = f"""train {options.method} {star} -o {run} --half {half} --latent-dim 2
                --epochs {options.epochs} --seed {half}"""
            call(words.split() + options.options)
    report(runs, trimorph.Truth.read(star.with_name("compositional_truth.npz")), options.clusters)


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("halves"))
    parser.add_argument("--method", default="gaussians")
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--box", type=int, default=32)
    parser.add_argument("--snr", default="0.1")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clusters", type=int, default=3)
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="of trimorph train")
    return parser.parse_args()


def report(runs: list[Path], truth: trimorph.Truth, count: int) -> None:
    """A row a pair of clusters, and how many particles of half 2 are in the pairs."""
    opened = [trimorph.Run.open(run) for run in runs]
    own = [run.latents().mean for run in opened]
    centres, which = zip(*(clusters(z, count) for z in own), strict=True)
    across = cdist(trimorph.encode(runs[0], half=2).mean, centres[0]).argmin(1)
    shared = np.zeros((count, count), dtype=int)
    np.add.at(shared, (across, which[1]), 1)
    matched = linear_sum_assignment(-shared)
    state = truth.state[trimorph.open_particles(opened[1].recipe.data).table.row]
    print("| particles of half 1, 2 | in both | true state | share | FSC 0.5, Å | FSC 0.143, Å | mean FSC |")
    print("|---|---|---|---|---|---|---|")
    for pair in zip(*matched, strict=True):
        maps = [
            torch.as_tensor(opened[half].volume(centres[half][cluster])) for half, cluster in enumerate(pair)
        ]
        curve = fourier_shell_correlation(*maps)
        size = {"box": len(maps[0]), "pixel_size": opened[0].problem().pixel_size}
        half_way, last = (resolution_at(curve, threshold, **size) for threshold in (0.5, 0.143))
        found = [which[half] == cluster for half, cluster in enumerate(pair)]
        states = np.bincount(state[found[1]], minlength=len(truth.state_names))
        print(
            f"| {found[0].sum()}, {found[1].sum()} | {shared[pair]} | {truth.state_names[states.argmax()]} "
            f"| {states.max() / states.sum():.3f} | {half_way:.1f} | {last:.1f} "
            f"| {float(curve[1:].mean()):.3f} |"
        )
    print(f"\n{shared[matched].sum()} of {shared.sum()} particles of half 2 are in clusters that match")


def clusters(z: NDArray[np.float32], count: int) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Centres, and each particle's cluster: the best of ten runs of k-means."""
    found = [kmeans2(z.astype(np.float64), count, minit="++", seed=seed) for seed in range(10)]
    return min(found, key=lambda pair: float(((z - pair[0][pair[1]]) ** 2).sum()))


def call(words: list[str]) -> None:
    """Run trimorph quietly."""
    program = Path(sys.executable).parent / "trimorph"
    subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
