"""Back-projection against cryoDRGN's backproject_voxel: processor time, and FSC with the truth.

    python benchmarks/reconstruction.py --cryodrgn /path/to/cryodrgn/bin --count 5000 --box 64

Simulates one homogeneous stack (adenylate kinase, SNR 0.1) and runs both programs on it in turn, each in one
process with one thread. Processor time is what the process used, so it holds on a busy machine too; both
include the start of Python and the reading of the images. Needs cryoDRGN in an environment of its own
(``python -m venv cryodrgn; cryodrgn/bin/pip install cryodrgn==4.3.1``); without it, trimorph runs alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from trimorph.core.backprojection import BackProjector
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.core.rotations import random_rotations
from trimorph.data.mrc import read_map
from trimorph.data.simulate import simulate

STRUCTURE = Path(__file__).parents[1] / "src" / "trimorph" / "data" / "examples" / "adk_closed.pdb"
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--cryodrgn", type=Path, help="folder with the command cryodrgn")
    arguments.add_argument("--count", type=int, default=5000)
    arguments.add_argument("--box", type=int, default=64)
    arguments.add_argument("--folder", type=Path, help="where to keep the files; by default nowhere")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        compare(given.folder or Path(temporary), given.cryodrgn, count=given.count, box=given.box)


def compare(folder: Path, cryodrgn: Path | None, *, count: int, box: int) -> None:
    """Print a row a program."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"adk_{box}_{count}"
    star = stem.with_suffix(".star")
    if not star.exists():
        simulate(STRUCTURE, stem, count=count, box=box, snr=0.1, voxels=True)
    truth = read_map(next(folder.glob(f"{stem.name}_states/*.mrc")))
    print(f"{count} images of {box} px, one thread; insertion alone: {insertion(box):.0f} images/s")
    print(
        f"{'':12} {'wall s':>8} {'processor s':>12} {'images/s':>9}  "
        "FSC with the truth at 1/3, 1/2, 2/3, 1 of Nyquist"
    )
    maps = folder / f"maps_{box}_{count}"
    row(
        "trimorph",
        *timed(Path(sys.executable).with_name("trimorph"), "reconstruct", star, "-o", maps, "--overwrite"),
        count,
        truth.values,
        maps / "run_class001.mrc",
    )
    if cryodrgn is not None:
        poses, ctf, out = folder / "poses.pkl", folder / "ctf.pkl", folder / f"drgn_{box}_{count}"
        program = cryodrgn / "cryodrgn"
        timed(program, "parse_pose_star", star, "-o", poses)
        timed(program, "parse_ctf_star", star, "-o", ctf)
        times = timed(
            program,
            "backproject_voxel",
            star,
            "--poses",
            poses,
            "--ctf",
            ctf,
            "-o",
            out,
            "--uninvert-data",
            "--datadir",
            folder,
        )
        row("cryoDRGN", *times, count, truth.values, out / "backproject.mrc")


def insertion(box: int) -> float:
    """Images a second of this machine's processor that BackProjector alone takes."""
    torch.set_num_threads(1)
    disk, number = FourierDisk(box, 2.0), 100
    projector = BackProjector(disk)
    image = torch.randn(number, len(disk), dtype=torch.complex64)
    rotation = random_rotations(number).float()
    ctf, one = CTF(torch.linspace(8e3, 2e4, number), 1e4)(disk), torch.ones(1, 1)
    projector.insert(image, rotation, transfer=ctf, precision=one)
    start = time.process_time()
    for _ in range(3):
        projector.insert(image, rotation, transfer=ctf, precision=one)
    return 3 * number / (time.process_time() - start)


def timed(*command: object) -> tuple[float, float]:
    """Wall and processor seconds of a command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [str(word) for word in command], env=ONE_THREAD, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(name: str, wall: float, used: float, count: int, truth: np.ndarray, path: Path) -> None:
    found = torch.tensor(read_map(path).values)
    curve = fourier_shell_correlation(torch.tensor(truth), found).abs()
    last = len(curve) - 1
    values = ", ".join(f"{float(curve[round(last * share)]):.3f}" for share in (1 / 3, 1 / 2, 2 / 3, 1))
    lowest = float(curve[1 : round(last * 2 / 3) + 1].min())
    print(f"{name:12} {wall:8.1f} {used:12.1f} {count / used:9.0f}  {values} (lowest to 2/3: {lowest:.3f})")


if __name__ == "__main__":
    main()
