"""What a read-out shows of particles that do not differ, when their latents were picked from noise.

    python benchmarks/readout_null.py --folder out

2,000 images (32 px of 8 Å, SNR 0.1) of one map of `uniform`. A latent says how much of a mode each image has:
the least-squares amplitude of the mode in the image, and its variance under the measured noise. Modes are
smooth random densities inside the particle, as a model has that was fitted to noise; of the particles all
amplitudes are in truth zero. Maps are made around -1.5 and +1.5 standard deviations of the latents. The first
numbers say how much of the mode their difference holds, where 1 is what the latents say, and how the two half
maps of the difference agree: averaged over shells 1 to 8, as if it were real. `--near` is with the latents'
own variances, `z.npy` without them. With modes of their own, each half set has latents of another mode.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import trimorph
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.data.selection import half_sets
from trimorph.reconstruction.mask import molecular_mask
from trimorph.reconstruction.postprocess import sharpen
from trimorph.reconstruction.reconstruct import Reconstruction
from trimorph.run.embedding import Embedding
from trimorph.run.near import reconstruct_near

BOX, COUNT, ENDS, SHELLS = 32, 2000, 1.5, 9


def main() -> None:
    """A row for each way to read out, and for shared modes and modes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("readout_null"))
    folder = parser.parse_args().folder
    star = simulated(folder)
    particles = trimorph.ParticleInput(star, window=False)
    stack = trimorph.open_particles(particles)
    truth = trimorph.reconstruct(stack)
    assert truth.mask is not None  # as there is density
    modes = [random_mode(truth, seed) for seed in (1, 2)]
    found = [amplitudes(stack, truth.map, mode) for mode in modes]
    half = half_sets(stack.table)
    print("| modes | read-out | share of the mode | half maps of the change | particles, least |")
    print("|---|---|---|---|---|")
    for name, own in (("shared", False), ("own of each half", True)):
        z, variance = (
            np.where(half == 2, second, first) if own else first for first, second in zip(*found, strict=True)
        )
        ends = ENDS * z.std() * np.array([[-1.0], [1.0]])
        for way in ("nearest tenth, alike", "`--near`, z.npy", "`--near`"):
            if way.startswith("nearest"):
                (low, high), least = nearest(stack, z, ends[:, 0]), COUNT // 10
            else:
                known = None if "npy" in way else variance[:, None, None]
                low, high, least = near(Embedding(z[:, None], known, Path("z.npy")), ends, particles)
            change = [high.half1 - low.half1, high.half2 - low.half2]
            share = [
                float((mode * one * truth.mask).sum() / (mode**2).sum() / float(ends[1, 0] - ends[0, 0]))
                for mode, one in zip(modes if own else modes[:1] * 2, change, strict=True)
            ]
            pair = (torch.tensor(np.array(one * truth.mask)) for one in change)
            alike = float(fourier_shell_correlation(*pair)[1:SHELLS].mean())
            print(f"| {name} | {way} | {np.mean(share):.2f} | {alike:.2f} | {least} |", flush=True)


def nearest(stack: trimorph.ParticleStack, z: np.ndarray, points: np.ndarray) -> list[Reconstruction]:
    """Maps of the nearest tenth of the particles, each with the same weight."""
    rows = [np.argsort(np.abs(z - point))[: COUNT // 10] for point in points]
    weights = [np.isin(np.arange(COUNT), chosen).astype(float) for chosen in rows]
    return [trimorph.reconstruct(stack, weights=weight) for weight in weights]


def near(
    embedding: Embedding, points: np.ndarray, particles: trimorph.ParticleInput
) -> tuple[Reconstruction, Reconstruction, int]:
    """Maps around two points, and the fewest particles that a shell of them is made of."""
    states = reconstruct_near(embedding, points, particles)
    least = min(int(state.local.number[1:].min()) for state in states)
    return states[0].reconstruction, states[1].reconstruction, least


def simulated(folder: Path) -> Path:
    """The stack, made where it is not there yet."""
    star = folder / "still.star"
    if not star.exists():
        trimorph.simulate("uniform", folder / "maps", count=1, box=BOX, pixel_size=8.0, snr=0.1, voxels=True)
        state = sorted((folder / "maps_states").glob("*.mrc"))[0]
        trimorph.simulate([state], folder / "still", count=COUNT, snr=0.1)
    return star


def random_mode(found: Reconstruction, seed: int) -> np.ndarray:
    """A smooth random density inside the particle, a tenth as strong as the map."""
    noise = np.random.default_rng(seed).standard_normal(found.map.shape).astype(np.float32)
    smooth = sharpen(noise, pixel_size=found.pixel_size, low_pass=24.0)
    inside = molecular_mask(found.map, pixel_size=found.pixel_size, dilation=8.0, edge=8.0)
    mode = smooth * inside
    return mode * 0.1 * float(np.linalg.norm(found.map) / np.linalg.norm(mode))


def amplitudes(
    stack: trimorph.ParticleStack, mean: np.ndarray, mode: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The amplitude of the mode in each image, and its variance."""
    grids = [VoxelGrid(torch.tensor(np.array(part))[None], stack.pixel_size) for part in (mean, mode)]
    z: list[Tensor] = []
    variance: list[Tensor] = []
    for batch in stack.batches(np.arange(len(stack)), 256):
        transfer = batch.ctf(batch.disk)
        known, seen = (grid.project(batch.rotation, batch.disk) * transfer for grid in grids)
        weight = batch.disk.weight / stack.noise.at(batch.disk, batch.group)
        precision = (weight * seen.abs() ** 2).sum(1)
        z.append((weight * (seen.conj() * (batch.image - known)).real).sum(1) / precision)
        variance.append(1 / precision)
    return torch.cat(z).double().numpy(), torch.cat(variance).double().numpy()


if __name__ == "__main__":
    main()
