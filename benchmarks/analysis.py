"""Time and memory of analysis on many latents: each step in a process of its own.

    python benchmarks/analysis.py --count 300000 --components 8

prints a row a step: CPU seconds and wall seconds without imports, and peak memory of the process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

STATES = 20
STEPS = (
    "components",
    "kmeans",
    "mixture",
    "mixture, number found",
    "peaks, number found",
    "graph of neighbours",
    "path through the graph",
    "pictures",
    "particles.csv",
)


def latents(count: int, components: int, seed: int = 0) -> np.ndarray:
    """A curved line and four clouds, a tenth of the particles far and wide: as latents are."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(6, size=count, p=[0.4, 0.2, 0.15, 0.1, 0.05, 0.1])
    centres = 3 * rng.normal(size=(6, components))
    z = centres[kind] + 0.4 * rng.normal(size=(count, components))
    along = rng.uniform(-2, 2, count)
    line = kind == 0
    z[line, 0] += along[line]
    z[line, 1] += along[line] ** 2 / 2
    wide = kind == 5
    z[wide] = 3 * rng.normal(size=(int(wide.sum()), components))
    return z


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300_000)
    parser.add_argument("--components", type=int, default=8)
    parser.add_argument("--steps", nargs="*", default=STEPS)
    given = parser.parse_args()
    print("| step | CPU s | wall s | peak memory (GB) |")
    print("|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    for step in given.steps:
        answer = context.Queue()
        process = context.Process(target=measure, args=(step, given.count, given.components, answer))
        process.start()
        cpu, wall, memory = answer.get()
        process.join()
        print(f"| {step} | {cpu:.1f} | {wall:.1f} | {memory:.2f} |", flush=True)


def measure(step: str, count: int, components: int, answer: multiprocessing.Queue) -> None:
    z = latents(count, components)
    prepared = prepare(step, z)
    cpu, wall = time.process_time(), time.perf_counter()
    prepared()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    answer.put((cpu, wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def prepare(step: str, z: np.ndarray):
    """What is timed, with all that it needs imported."""
    import sklearn.cluster
    import sklearn.mixture  # noqa: F401

    from trimorph.analysis.components import find_components
    from trimorph.analysis.graph import NeighbourGraph, shortest_legs
    from trimorph.analysis.states import find_states

    if step in ("pictures", "particles.csv"):
        return drawing(step, z)
    if step == "path through the graph":
        graph = NeighbourGraph.of(z)
        anchors = np.random.default_rng(0).permutation(
            np.flatnonzero(graph.parts == np.bincount(graph.parts).argmax())
        )
        return lambda: shortest_legs(graph.edges, anchors[:3])
    return {
        "components": lambda: find_components(z),
        "kmeans": lambda: find_states(z, how="kmeans", count=STATES),
        "mixture": lambda: find_states(z, how="mixture", count=5),
        "mixture, number found": lambda: find_states(z, how="mixture"),
        "peaks, number found": lambda: find_states(z, how="peaks"),
        "graph of neighbours": lambda: NeighbourGraph.of(z),
    }[step]


def drawing(step: str, z: np.ndarray):
    """All pictures of an analysis with eight columns, or its table."""
    import pandas  # noqa: F401

    from trimorph.analysis.analysis import Analysis
    from trimorph.analysis.analysis_files import write_particles
    from trimorph.analysis.components import find_components
    from trimorph.analysis.figure_list import draw_all
    from trimorph.analysis.particle_columns import latent_columns
    from trimorph.analysis.states import find_states
    from trimorph.run.embedding import Embedding

    rng, count = np.random.default_rng(1), len(z)
    embedding = Embedding(z, None, Path("z.npy"))
    components, states = find_components(z), find_states(z, count=STATES)
    columns = latent_columns(embedding, components, states)
    columns |= {name: rng.uniform(-180, 180, count) for name in ("rot", "tilt", "psi", "defocus")}
    columns |= {"misfit": rng.normal(1, 0.01, count), "half": rng.integers(1, 3, count)}
    columns |= {"micrograph": np.array([f"micrograph_{row // 150:05d}.mrc" for row in range(count)])}
    columns |= {"group": rng.integers(1, 5, count)}
    folder = Path(tempfile.mkdtemp())
    found = Analysis(folder, embedding, states, components, columns, (), (), ())
    if step == "pictures":
        return lambda: draw_all(folder, found)
    return lambda: write_particles(folder, columns, parquet=False)


if __name__ == "__main__":
    main()
