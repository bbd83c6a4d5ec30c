"""Maps of states from particles and from decoders, against the truth, as the number of particles grows.

    python benchmarks/readout.py --folder out --counts 1000 5000 20000 --method linear

One stack of `uniform` (64 px, SNR 0.1, sliced from maps) stays in the folder, and a run of the method on the
first particles for each count. Around the latents of some particles, maps are made by the decoder, by
back-projection of the nearest particles alike (a third of all, and a twelfth), by `--near` with the latents
of the run, and by `--near` with the true coordinate as latent. Each is compared with the map that its
particle was made of: FSC averaged over shells 1 to 31, without a mask and inside one around the true map.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import trimorph
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.data.mrc import read_map
from trimorph.reconstruction.mask import molecular_mask
from trimorph.run.embedding import Embedding, read_embedding
from trimorph.run.latent_distance import latent_distance
from trimorph.run.near import NearState, images_of, reconstruct_near

SHARES = (1 / 3, 1 / 12)


@dataclass(frozen=True)
class Judge:
    """A true map, and a mask around it."""

    true: np.ndarray
    mask: np.ndarray

    @classmethod
    def of(cls, path: Path) -> Judge:
        """From the map of a state."""
        found = read_map(path)
        mask = molecular_mask(found.values, pixel_size=found.pixel_size, dilation=8.0, edge=12.0)
        return cls(found.values, mask)

    def __call__(self, density: np.ndarray) -> tuple[float, float]:
        """FSC averaged over shells, without and with the mask."""
        pair = [(density, self.true), (density * self.mask, self.true * self.mask)]
        curves = [fourier_shell_correlation(*(torch.tensor(np.array(part)) for part in one)) for one in pair]
        return float(curves[0][1:32].mean()), float(curves[1][1:32].mean())


def main() -> None:
    """A table, count by count."""
    options = parse()
    star = simulated(options)
    truth = trimorph.Truth.read(star.with_name(f"{star.stem}_truth.npz"))
    maps = sorted(star.with_name(f"{star.stem}_states").glob("*.mrc"))
    print("| particles | map | FSC | in the mask | resolution 0.143 | effective particles | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for count in options.counts:
        run = trained(options, star, count)
        embedding = read_embedding(run)
        chosen = np.linspace(0, count - 1, options.states + 2).astype(int)[1:-1]
        judges = [Judge.of(maps[truth.state[particle]]) for particle in chosen]
        for name, line in rows(embedding, chosen, judges, truth.coordinate[:count]):
            print(f"| {count} | {name} | {line} |", flush=True)


def rows(
    embedding: Embedding, chosen: np.ndarray, judges: list[Judge], coordinate: np.ndarray
) -> list[tuple[str, str]]:
    """What each way gives, averaged over the chosen particles."""
    run = embedding.run
    assert run is not None
    images = images_of(embedding, None)
    found = []

    def add(name: str, make: Callable[[], list[np.ndarray]], told: Callable[[], str] = lambda: " | ") -> None:
        begun = time.process_time()
        scores = np.mean([judge(one) for judge, one in zip(judges, make(), strict=True)], axis=0)
        spent = time.process_time() - begun
        found.append((name, f"{scores[0]:.3f} | {scores[1]:.3f} | {told()} | {spent:.0f}"))

    add("decoder", lambda: [run.volume(embedding.mean[particle]) for particle in chosen])
    for share in SHARES:
        number = int(share * len(embedding))

        def nearest(number: int = number) -> list[np.ndarray]:
            kept = []
            for particle in chosen:
                distance = latent_distance(embedding, embedding.mean[particle])
                weights = np.zeros(len(embedding))
                weights[np.argsort(distance)[:number]] = 1.0
                kept.append(trimorph.reconstruct(images, weights=weights).map)
            return kept

        add(f"nearest {number}, alike", nearest)
    true = Embedding(coordinate[:, None], None, Path("true"), run, embedding.epoch)
    for name, known in (("--near", embedding), ("--near, true coordinate", true)):
        states: list[NearState] = []

        def near(known: Embedding = known, states: list[NearState] = states) -> list[np.ndarray]:
            states.extend(reconstruct_near(known, known.mean[chosen], least=100))
            return [state.reconstruction.map for state in states]

        def told(states: list[NearState] = states) -> str:
            resolution = np.median([state.reconstruction.resolution for state in states])
            return f"{resolution:.1f} Å | {np.mean([state.effective for state in states]):.0f}"

        add(name, near, told)
    everyone = states[0].everyone.map
    add("all particles", lambda: [everyone] * len(judges))
    return found


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("readout"))
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 5000, 20000])
    parser.add_argument("--method", default="linear")
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--states", type=int, default=3)
    return parser.parse_args()


def simulated(options: argparse.Namespace) -> Path:
    """The stack, made where it is not there yet."""
    star = options.folder / "uniform.star"
    if not star.exists():
        trimorph.simulate(
            "uniform", star.with_suffix(""), count=max(options.counts), box=64, pixel_size=4.0, snr=0.1,
            voxels=True, seed=0,
        )  # fmt: skip
    return star


def trained(options: argparse.Namespace, star: Path, count: int) -> Path:
    """The run on the first particles, trained where it is not there yet."""
    run = options.folder / f"{options.method}_{count}"
    if not run.exists():
        words = ["train", options.method, str(star), "-o", str(run), "--first", str(count), "--threads", "1"]
        if options.epochs is not None:
            words += ["--epochs", str(options.epochs)]
        program = Path(sys.executable).parent / "trimorph"
        subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL)
    return run


if __name__ == "__main__":
    main()
