"""Maps of states from particles and from decoders, against the truth, as the number of particles grows.

    python benchmarks/readout.py --folder out --counts 1000 5000 20000 --method linear

One stack of `uniform` (64 px, SNR 0.1, sliced from maps) stays in the folder, and a run of the method on the
first particles for each count. Around the latents of some particles, maps are made by the decoder, by
back-projection of the nearest particles alike (a third of all, and a twelfth), by `--near` with the latents
of the run, and by `--near` with the true coordinate as latent. Each is compared with the map that its
particle was made of: FSC averaged over shells 1 to 31, without a mask and inside one around the true map.
With --run, one run gives the latents of all.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

import trimorph
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.data.mrc import read_map
from trimorph.reconstruction.ladder import LEAST
from trimorph.reconstruction.mask import molecular_mask
from trimorph.run.embedding import Embedding, read_embedding
from trimorph.run.latent_distance import latent_distance
from trimorph.run.near import reconstruct_near
from trimorph.run.run import Run

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
    encoded = None if options.run is None else trimorph.encode(options.run, star)
    for count in options.counts:
        if encoded is None:
            embedding = read_embedding(trained(options, star, count))
            run = Run.open(embedding.source)
        else:
            run, mean = Run.open(options.run), encoded.mean[:count].astype(np.float64)
            embedding = Embedding(mean, encoded.covariance[:count].astype(np.float64), star)
        chosen = np.linspace(0, count - 1, options.states + 2).astype(int)[1:-1]
        judges = [Judge.of(maps[truth.state[particle]]) for particle in chosen]
        particles = trimorph.ParticleInput(star, first=count, window=False)
        for name, line in rows(run, embedding, particles, chosen, judges, truth.coordinate[:count]):
            print(f"| {count} | {name} | {line} |", flush=True)


def rows(
    run: Run,
    embedding: Embedding,
    particles: trimorph.ParticleInput,
    chosen: np.ndarray,
    judges: list[Judge],
    coordinate: np.ndarray,
) -> Iterator[tuple[str, str]]:
    """What each way gives, averaged over the chosen particles."""
    images = trimorph.open_particles(particles)

    def row(name: str, make: Callable[[], list[np.ndarray]], told: str = " | ") -> tuple[str, str]:
        begun = time.process_time()
        scores = np.mean([judge(one) for judge, one in zip(judges, make(), strict=True)], axis=0)
        return name, f"{scores[0]:.3f} | {scores[1]:.3f} | {told} | {time.process_time() - begun:.0f}"

    yield row("decoder", lambda: [run.volume(embedding.mean[particle]) for particle in chosen])
    distance = [latent_distance(embedding, embedding.mean[particle]) for particle in chosen]
    for share in SHARES:
        number = int(share * len(embedding))

        def nearest(number: int = number) -> list[np.ndarray]:
            limits = [np.partition(far, number)[number] for far in distance]
            weights = [(far < limit).astype(float) for far, limit in zip(distance, limits, strict=True)]
            return [trimorph.reconstruct(images, weights=weight).map for weight in weights]

        yield row(f"nearest {number}, alike", nearest)
    true = Embedding(coordinate[:, None], None, Path("true"))
    for name, known in (("`--near`", embedding), ("`--near`, true coordinate", true)):
        begun = time.process_time()
        states = reconstruct_near(known, known.mean[chosen], particles, least=LEAST)
        spent = time.process_time() - begun
        effective = np.mean([state.effective for state in states])
        resolution = np.median([state.reconstruction.resolution for state in states])
        found = [state.reconstruction.map for state in states]
        told, line = row(name, partial(list, found), f"{resolution:.1f} Å | {effective:.0f}")
        yield told, f"{line.rpartition('|')[0]}| {spent:.0f}"
    yield row("all particles", lambda: [states[0].everyone.map] * len(judges))


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("readout"))
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 5000, 20000])
    parser.add_argument("--method", default="linear")
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument(
        "--run", type=Path, default=None, help="one run that encodes the particles of all counts"
    )
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
