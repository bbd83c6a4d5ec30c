"""Does `trimorph validate` call nothing something, or something nothing? Twenty simulations of each.

    python benchmarks/validate.py --folder out --seeds 20

A row a data set: `uniform` (a hinge turned through 1.5 rad), and one state of it alone, at an SNR of 0.1. The
test finds its own modes (--no-retrain), so the run is the cheapest there is and its latents say nothing. Rows
are appended to validate.csv in the folder as they come, and those that are there are left out, so that it can
be stopped.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path
from time import process_time

import torch

import trimorph
from trimorph.evaluation.validate import validate
from trimorph.evaluation.validate_settings import ValidationSettings
from trimorph.methods.field import FieldSettings

STATES = 50


def main() -> None:
    """Run what is not yet there, and print the tables."""
    options = parse()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    table = options.folder / "validate.csv"
    for seed in range(options.seeds):
        for kind in ("homogeneous", "uniform"):
            if (kind, str(seed)) not in {(row["data"], row["seed"]) for row in rows(table)}:
                append(table, measure(kind, seed, options))
    show(rows(table))


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("validate"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--box", type=int, default=32)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--nulls", type=int, default=2)
    return parser.parse_args()


def measure(kind: str, seed: int, options: argparse.Namespace) -> dict[str, object]:
    """Simulate, train, validate; the data are removed again."""
    home = options.folder / f"{kind}_{seed}"
    shutil.rmtree(home, ignore_errors=True)
    start = process_time()
    only = (7 * seed + 11) % STATES
    weights = tuple(float(state == only) for state in range(STATES)) if kind == "homogeneous" else ()
    made = trimorph.simulate(
        "uniform", home / "particles", count=options.count, box=options.box, snr=options.snr,
        voxels=True, seed=seed, weights=weights, states=False,
    )  # fmt: skip
    recipe = trimorph.Recipe(
        method="field",
        data=trimorph.ParticleInput(particles=made.star),
        settings=FieldSettings(
            latent_dim=1,
            epochs=1,
            width=16,
            layers=1,
            encoder="pixels",
            encoder_width=16,
            encoder_layers=1,
            from_mean=False,
        ),
        training=trimorph.TrainingSettings(threads=1, batch_size=256),
    )
    run = trimorph.train(recipe, home / "run")
    asked = ValidationSettings(retrain=False, power=False, nulls=options.nulls, seed=seed)
    before = process_time()
    found = validate(run.path, asked)
    row: dict[str, object] = {
        "data": kind,
        "seed": seed,
        "heterogeneous": found.heterogeneous,
        "real": sum(mode.real for mode in found.modes),
        "best z": max(mode.z for mode in found.modes),
        "best z of a side": max(float(side.z.max()) for side in found.linear.sides),
        "p redrawn": min(mode.p_redrawn for mode in found.modes),
        "p shuffled": min(mode.p_shuffled for mode in found.modes),
        "p Holm": min(mode.p_holm for mode in found.modes),
        "correlation": max(mode.correlation for mode in found.modes),
        "null deviation": float(found.null.z.std(ddof=1)),
        "seconds": process_time() - before,
        "seconds in all": process_time() - start,
    }
    shutil.rmtree(home)
    return row


def rows(table: Path) -> list[dict[str, str]]:
    """Rows that are there."""
    if not table.exists():
        return []
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def append(table: Path, row: dict[str, object]) -> None:
    """Write one more row."""
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
    print(row, flush=True)


def show(found: list[dict[str, str]]) -> None:
    """Tables in Markdown."""
    for kind in ("homogeneous", "uniform"):
        own = [row for row in found if row["data"] == kind]
        called = sum(row["heterogeneous"] == "True" for row in own)
        print(f"\n{kind}: {called} of {len(own)} called heterogeneous\n")
        names = [name for name in own[0] if name != "data"]
        print("| " + " | ".join(names) + " |")
        print("|" + "---|" * len(names))
        for row in own:
            print("| " + " | ".join(row[name] for name in names) + " |")


if __name__ == "__main__":
    main()
