"""A small part that moves on a line, round a circle, and beside one that comes and goes: what methods find.

    python benchmarks/motions.py --folder out --snr 1 0.1
    python benchmarks/motions.py --folder out --recipes mixed --snr 1 --method field

The simulated tests of Chen & Ludtke, Nature Methods 18 (2021) 930 (`trimorph simulate linear`, `cyclic`,
`mixed`), at 64 px of 3 Å, sliced from maps. Stacks and runs stay in the folder and are not made again. Rows:
the method's latents; with the encoder object, the chart of the linear modes that they started from; and the
latents of an observer who knows all but the states. Scores are those of `trimorph.evaluation.motion_scores`;
what a view does not show (sine or cosine below 0.3) is left out where it says "shown".
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import trimorph
from trimorph.evaluation.motion_scores import MotionScores, informed_latents, score_motion

IMAGES = {"linear": 4000, "cyclic": 7200, "mixed": 4000}
WITHOUT_CTF = "--defocus 0 0 --spherical-aberration 0 --amplitude-contrast 1"


def main() -> None:
    """Train and score, stack after stack."""
    options = parse()
    print("| recipe | SNR | seed | CTF | latents | score | shown or within | moving part, Å | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for recipe in options.recipes:
        for snr in options.snr:
            for seed in options.seeds:
                report(options, recipe, snr, seed)


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("motions"))
    parser.add_argument("--recipes", nargs="+", choices=list(IMAGES), default=list(IMAGES))
    parser.add_argument("--snr", nargs="+", default=["1", "0.1"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--without-ctf", action="store_true")
    parser.add_argument("--method", default="gaussians")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--latent-dim", type=int, default=2)
    parser.add_argument("--name", default="default", help="of the runs with these options")
    parser.add_argument(
        "--options", nargs=argparse.REMAINDER, default=[], help="further options of trimorph train"
    )
    return parser.parse_args()


def report(options: argparse.Namespace, recipe: str, snr: str, seed: int) -> None:
    """Two rows of the table."""
    ctf = "no" if options.without_ctf else "yes"
    star = options.folder / f"{recipe}_{snr}_{seed}{'_plain' if options.without_ctf else ''}.star"
    if not star.exists():
        words = f"""simulate {recipe} -o {star.with_suffix("")} --count {IMAGES[recipe]} --box 64
            --pixel-size 3 --snr {snr} --seed {seed} --voxels --ceiling"""
        call(words.split() + (WITHOUT_CTF.split() if options.without_ctf else []))
    truth = trimorph.Truth.read(star.with_name(f"{star.stem}_truth.npz"))
    run = star.with_name(f"{star.stem}_{options.method}_{options.name}")
    if not (run / "seconds.json").exists():
        words = f"""train {options.method} {star} -o {run} --latent-dim {options.latent_dim}
            --epochs {options.epochs} --seed {seed}"""
        began = time.monotonic()
        call(words.split() + options.options)
        (run / "seconds.json").write_text(json.dumps(time.monotonic() - began))
    opened = trimorph.Run.open(run)
    rows: list[tuple[str, np.ndarray, Callable[[np.ndarray], np.ndarray] | None, str]] = [
        (
            options.method,
            opened.latents().mean,
            opened.volume,
            f"{json.loads((run / 'seconds.json').read_text()):.0f}",
        ),
        ("ceiling", informed_latents(truth), None, ""),
    ]
    if (run / "linear").is_dir():
        rows.insert(1, ("chart", trimorph.read_chart(run / "linear").coordinate, None, ""))
    for name, z, volume, seconds in rows:
        cells = text(score_motion(z, truth, volume))
        print(f"| {recipe} | {snr} | {seed} | {ctf} | {name} | {' | '.join(cells)} | {seconds} |", flush=True)


def call(words: list[str]) -> None:
    """Run trimorph quietly."""
    program = Path(sys.executable).parent / "trimorph"
    subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL)


def text(found: MotionScores) -> tuple[str, str, str]:
    """The main score, the second one, and how far the moving part is off in decoded maps."""
    mover = (
        ""
        if found.mover is None
        else f"{found.mover.state_error:.2f}, worst {found.mover.worst_state_error:.1f}"
    )
    if found.composition is not None:
        within = ", ".join(f"{value:.3f}" for value in found.composition.correlation)
        return f"AUC {found.composition.auc:.4f}", f"Spearman {within}", mover
    if found.circle is not None:
        error = np.degrees(found.circle.shown_error)
        shown = f"{found.circle.shown_correlation:.3f}, error {error:.1f} degrees"
        return f"circular correlation {found.circle.correlation:.3f}", shown, mover
    assert found.line is not None
    return f"Spearman {found.line.correlation:.4f}", f"Spearman {found.line.shown_correlation:.4f}", mover


if __name__ == "__main__":
    main()
