"""The method linear against known truths: latents, classes, verdicts, calibration, cost.

    python benchmarks/linear.py uniform --folder out
    python benchmarks/linear.py uniform --folder out --count 50000 --snr 0.01 --seeds 0

Stacks are sliced from maps (`--voxels`); stacks and runs stay in the folder and are not made again. Training
is the command `trimorph train linear`, in a process of its own, with one thread unless --threads says other;
its CPU seconds and highest memory are the kernel's account of that process. Each table has a row a seed. A
chart's |Spearman| is that of its first coordinate.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import find_peaks
from scipy.spatial import cKDTree
from scipy.stats import chi2, gaussian_kde
from sklearn.mixture import GaussianMixture

import trimorph
from child import account
from trimorph.core.noise import NoiseModel
from trimorph.core.voxel_grid import resample
from trimorph.data.hinge import turn
from trimorph.data.mrc import read_map, write_map
from trimorph.data.pseudo_complex import pseudo_complex
from trimorph.data.recipes import ANGLE_STEP, MIXTURE_MEANS
from trimorph.data.scattering import AtomicDensity
from trimorph.evaluation.recovery import cluster_accuracy, latent_correlation, neighbour_correlation
from trimorph.evaluation.simulated_run import score_run
from trimorph.methods.linear import Linear
from trimorph.methods.mode_frame import ModeFrame

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
EXAMPLES = Path(trimorph.__file__).parent / "data" / "examples"


def main() -> None:
    """Make one of the tables."""
    tables = {
        "uniform": uniform, "compositional": compositional, "clusters": clusters, "homogeneous": homogeneous,
        "calibration": calibration, "cost": cost, "rotation": rotation,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", choices=tables)
    parser.add_argument("--folder", type=Path, default=Path("linear"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--modes", default="auto", help="of the runs that the calibration is made of")
    parser.add_argument("--method", default="linear", help="that rotation is given to")
    parser.add_argument("--epochs", type=int, default=6, help="of that method, if it is another")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables[options.table](options)


def uniform(options: argparse.Namespace) -> None:
    """Latents of a hinge: linear, the same model with the true modes, the ceiling (of up to 5,000 images)."""
    row("seed", *["|Spearman|: chart", "best component", "of true modes", "by neighbours: chart", "linear"],
        "true modes", "ceiling", "real modes", "CPU s", "wall s")  # fmt: skip
    for seed in options.seeds:
        ceiling = options.count <= 5000
        star = simulated(options, "uniform", seed, box=64, pixel_size=4.0, ceiling=ceiling)
        truth = truth_of(star)
        run, spent = trained(star, threads=options.threads)
        z, known, chart = run.latents().mean, with_true_modes(star, run), trimorph.read_chart(run).coordinate
        found = [
            number(score(latent, truth.coordinate))
            for score in (latent_correlation, neighbour_correlation)
            for latent in (chart[:, :1], z, known)
        ]
        real = int(linear_of(run).real)
        row(seed, *found, number(truth.ceiling), real, f"{spent['cpu']:.0f}", f"{spent['wall']:.0f}")


def compositional(options: argparse.Namespace) -> None:
    """Classes by k-means of the latents."""
    row("seed", "k-means accuracy", "ceiling", "real modes", "CPU s", "wall s")
    for seed in options.seeds:
        star = simulated(options, "compositional", seed, box=64, pixel_size=6.0)
        truth = truth_of(star)
        run, spent = trained(star)
        found = [number(cluster_accuracy(run.latents().mean, truth.state)), number(truth.accuracy_ceiling)]
        row(seed, *found, int(linear_of(run).real), f"{spent['cpu']:.0f}", f"{spent['wall']:.0f}")


def clusters(options: argparse.Namespace) -> None:
    """Mixtures of hinge angles: parts of the latents against the nearest of the true centres."""
    row("recipe", "seed", "GMM accuracy", "k-means accuracy", "peaks of the predicted angle", "of the chart",
        "of the true", "|Spearman|: chart", "by neighbours", "real modes")  # fmt: skip
    centres = ANGLE_STEP * (np.array(MIXTURE_MEANS) - 1)
    for recipe in ("cooperative", "noncontiguous"):
        for seed in options.seeds:
            star = simulated(options, recipe, seed, box=64, pixel_size=4.0, ceiling=False)
            angle = truth_of(star).coordinate
            label = np.abs(angle[:, None] - centres).argmin(1)
            run, _ = trained(star)
            z, chart = run.latents().mean, trimorph.read_chart(run).coordinate[:, 0]
            mixture = GaussianMixture(3, n_init=5, random_state=0).fit_predict(z[:, :4])
            matched = cluster_accuracy(np.eye(3)[mixture], label)
            draw(z, angle, star.with_suffix(".png"))
            along = chart * angle.std() / chart.std() + angle.mean()
            classes = [number(matched), number(cluster_accuracy(z, label))]
            ranks = [latent_correlation(chart[:, None], angle), neighbour_correlation(z, angle)]
            row(recipe, seed, *classes, *(peaks(way) for way in (predicted(z, angle), along, angle)),
                *(number(rank) for rank in ranks), int(linear_of(run).real))  # fmt: skip


def homogeneous(options: argparse.Namespace) -> None:
    """Stacks of one state: in how many is a mode called real."""
    row("seed", "real modes", "held-out gain of the first mode", "its standard error", "CPU s")
    none = 0
    for seed in options.seeds:
        star = options.folder / "homogeneous" / f"{options.count}_{options.snr:g}_{seed}.star"
        if not star.exists():
            trimorph.simulate(
                EXAMPLES / "adk_closed.pdb", star.with_suffix(""), count=options.count, box=32,
                snr=options.snr, voxels=True, seed=seed,
            )  # fmt: skip
        run, spent = trained(star)
        method = linear_of(run)
        none += int(method.real) == 0
        gain, error = float(method.gain[0]), float(method.gain_error[0])
        row(seed, int(method.real), f"{gain:.4f}", f"{error:.4f}", f"{spent['cpu']:.0f}")
    print(f"No mode is real in {none} of {len(options.seeds)} stacks.")


def calibration(options: argparse.Namespace) -> None:
    """Credible sets against the projection of each image's true map on the modes."""
    row("recipe", "seed", "modes", "68 %: a component", "ellipsoid", "95 %: a component", "ellipsoid",
        "spread of the first components in posterior standard deviations")  # fmt: skip
    for recipe, pixel_size in (("uniform", 4.0), ("compositional", 6.0)):
        for seed in options.seeds:
            star = simulated(options, recipe, seed, box=64, pixel_size=pixel_size)
            run, _ = trained(star, modes=options.modes)
            latents = run.latents()
            error = latents.mean - linear_truth(star, run)
            deviation = np.sqrt(np.diagonal(latents.covariance, axis1=1, axis2=2))
            distance = np.einsum(
                "nk,nk->n", error, np.linalg.solve(latents.covariance, error[..., None])[..., 0]
            )
            covered = []
            for level in (0.68, 0.95):
                one = (error / deviation) ** 2 < chi2.ppf(level, 1)
                covered += [one.mean(), (distance < chi2.ppf(level, error.shape[1])).mean()]
            spread = ", ".join(f"{value:.2f}" for value in (error / deviation).std(0)[:6])
            row(recipe, seed, error.shape[1], *(f"{100 * value:.1f} %" for value in covered), spread)


def cost(options: argparse.Namespace) -> None:
    """Ten modes to a quarter of Nyquist from images of 128 pixels: 2,000 of them, listed again and again."""
    stack = options.folder / "cost" / "part.star"
    if not stack.exists():
        trimorph.simulate(
            "compositional", stack.with_suffix(""), count=2000, box=128, pixel_size=2.0, snr=0.1, voxels=True
        )
    text = stack.read_text(encoding="utf-8").rstrip("\n")
    rows = [line for line in text.splitlines() if "@" in line]
    star = stack.with_name(f"{options.count}.star")
    whole = [rows[place % len(rows)] for place in range(options.count)]
    star.write_text(text[: text.index(rows[0])] + "\n".join(whole) + "\n", encoding="utf-8")
    run, spent = trained(star, modes="10", words=("--resolution", "16"), threads=2)
    row("images", "CPU s", "wall s", "highest memory, GB", "real modes")
    row(options.count, f"{spent['cpu']:.0f}", f"{spent['wall']:.0f}", f"{spent['memory'] / 1e9:.2f}",
        int(linear_of(run).real))  # fmt: skip


def rotation(options: argparse.Namespace) -> None:
    """An arm that goes all the way round its body: sine and cosine by neighbours, and maps."""
    row("method", "seed", "components", "by neighbours: cosine", "sine", "coordinates of the chart",
        "by neighbours: cosine", "sine", "FSC of decoded maps", "CPU s")  # fmt: skip
    for seed in options.seeds:
        star = options.folder / "rotation" / f"{options.count}_{options.snr:g}_{seed}.star"
        if not star.exists():
            maps = full_turn(options.folder / "rotation" / "maps", states=50, box=64, pixel_size=6.0)
            trimorph.simulate(
                maps, star.with_suffix(""), count=options.count, snr=options.snr, voxels=True, seed=seed
            )
        truth = truth_of(star)
        if options.method == "linear":
            run, spent = trained(star, modes=options.modes if options.modes != "auto" else "20")
            modes = run
        else:
            words = ("--latent-dim", "2", "--epochs", str(options.epochs))
            run, spent = trained(star, method=options.method, words=words)
            modes = trimorph.Run.open(run.path / "linear")
        z, angle = run.latents().mean, 2 * np.pi * truth.state / 50
        chart = trimorph.read_chart(modes)
        scores = score_run(run, truth, states_of(star))
        by_modes, by_chart = (
            [number(neighbour_correlation(latent, wave(angle))) for wave in (np.cos, np.sin)]
            for latent in (z, chart.coordinate if chart.count else z[:, :1])
        )
        row(options.method, seed, z.shape[1], *by_modes, chart.count, *by_chart, number(scores.fsc),
            f"{spent['cpu']:.0f}")  # fmt: skip


def simulated(
    options: argparse.Namespace, recipe: str, seed: int, *, box: int, pixel_size: float, ceiling: bool = True
) -> Path:
    """A recipe's stack, kept between calls."""
    star = options.folder / recipe / f"{options.count}_{options.snr:g}_{seed}.star"
    if not star.exists():
        trimorph.simulate(
            recipe, star.with_suffix(""), count=options.count, box=box, pixel_size=pixel_size,
            snr=options.snr, voxels=True, ceiling=ceiling, seed=seed,
        )  # fmt: skip
    return star


def full_turn(folder: Path, *, states: int, box: int, pixel_size: float) -> list[Path]:
    """Maps of the two-domain body with its arm turned about the body's centre through 360 degrees."""
    paths = [folder / f"{number:03d}.mrc" for number in range(states)]
    if not folder.exists():
        folder.mkdir(parents=True)
        whole = pseudo_complex()
        arm, centre = whole.chain == "B", whole.position[whole.chain == "A"].mean(0)
        for number, path in enumerate(paths):
            state = turn(
                whole, arm, angle=2 * np.pi * number / states, axis=np.array([1.0, 0.0, 0.0]), pivot=centre
            )
            density = AtomicDensity.of(state, resolution=2 * pixel_size, origin=centre)
            write_map(path, density.voxels(box, pixel_size)[0].numpy(), pixel_size)
    return paths


def linear_of(run: trimorph.Run) -> Linear:
    return cast(Linear, run.method())


def truth_of(star: Path) -> trimorph.Truth:
    return trimorph.Truth.read(star.with_name(f"{star.stem}_truth.npz"))


def states_of(star: Path) -> Path:
    return star.with_name(f"{star.stem}_states")


def trained(
    star: Path,
    *,
    method: str = "linear",
    modes: str = "auto",
    words: tuple[str, ...] = (),
    threads: int = 1,
) -> tuple[trimorph.Run, dict[str, float]]:
    """The run of a stack beside it, and what its process took: CPU and wall seconds, bytes at most."""
    name = star.stem if modes == "auto" else f"{star.stem}_{modes}"
    name += f"_{threads}_threads" if threads != 1 else ""
    name += f"_{method}" if method != "linear" else ""
    output, kept = star.with_name(f"{name}_run"), star.with_name(f"{name}_spent.json")
    if not kept.exists():
        program = Path(sys.executable).parent / "trimorph"
        command = [program, "train", method, star, "-o", output, "--threads", str(threads), *words]
        command += ["--modes", modes] if method == "linear" else []
        kept.write_text(json.dumps(account(command, environment=ONE_THREAD if threads == 1 else None)))
    return trimorph.Run.open(output), json.loads(kept.read_text())


def true_maps(star: Path, run: trimorph.Run) -> torch.Tensor:
    """The states in the units of the prepared images, on the grid of the run's modes.

    Images are divided by the noise's standard deviation, and what the simulator says of that holds for all.
    """
    truth, frame = truth_of(star), linear_of(run).frame
    maps = [read_map(path) for path in sorted(states_of(star).glob("*.mrc"))]
    values = torch.stack([torch.as_tensor(np.array(item.values)) for item in maps]) / truth.noise_sigma
    return resample(values, maps[0].pixel_size, box=frame.box, pixel_size=frame.pixel_size)


def linear_truth(star: Path, run: trimorph.Run) -> NDArray[np.float32]:
    """Each image's true map less the mean map, projected on the modes."""
    method = linear_of(run)
    with torch.no_grad():
        modes = method.densities().flatten(1)
        unit = modes / modes.norm(dim=1, keepdim=True)
        coordinate = (true_maps(star, run) - method.frame.mean).flatten(1) @ unit.T
    return coordinate.numpy()[truth_of(star).state]


def with_true_modes(star: Path, run: trimorph.Run, *, modes: int = 10) -> NDArray[np.float32]:
    """Posterior means under the principal components of the true maps, at the run's limit and noise."""
    truth, problem, method = truth_of(star), run.problem(), linear_of(run)
    resolution = method.limits[int(method.best)]
    maps = true_maps(star, run)
    mean = maps.mean(0)
    _, size, axes = torch.linalg.svd((maps - mean).flatten(1), full_matrices=False)
    size = size[:modes] / len(maps) ** 0.5
    noise = NoiseModel(problem.noise.power / problem.window_share)
    empty = torch.zeros(problem.box, problem.box, problem.box)
    frame = ModeFrame(empty, noise, disk=method.disk, resolution=method.limits[-1])
    frame.mean.copy_(mean)
    known = (size[:, None] * axes[:modes]).view(-1, *mean.shape)
    with torch.no_grad():
        found = [frame.posterior(known[None], batch)[0].mean for batch in batches(run, resolution)]
    return (torch.cat(found) * size).numpy()[: len(truth)]


def batches(run: trimorph.Run, resolution: float) -> Iterator[trimorph.core.batch.Batch]:
    """All particles of a run in order."""
    stack = trimorph.open_particles(run.recipe.data)
    yield from stack.batches(np.arange(len(stack)), 256, limit=stack.disk.limit(resolution=resolution))


def predicted(z: NDArray[np.float32], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """The angle of each particle as the mean of its 30 nearest others."""
    _, near = cKDTree(z).query(z, k=range(2, 32))
    return angle[near].mean(1)


def peaks(angle: NDArray[np.float64]) -> int:
    """Maxima of the density of an angle, as high above their valleys as a tenth of the highest."""
    density = gaussian_kde(angle, bw_method=0.06 / angle.std())(np.linspace(-0.3, 1.8, 300))
    return len(find_peaks(density, prominence=0.1 * density.max())[0])


def draw(z: NDArray[np.float32], angle: NDArray[np.float64], path: Path) -> None:
    """The first two latents, coloured by the true angle."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4, 4))
    axes.scatter(z[:, 0], z[:, 1], c=angle, s=2, cmap="viridis")
    axes.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def number(value: float | None) -> str:
    """Three decimals, or a dash where there is no number."""
    return "-" if value is None else f"{value:.3f}"


def row(*cells: object) -> None:
    """A row of a table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
