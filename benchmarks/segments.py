"""The method segments against known truths: a turned domain, adenylate kinase opening, cost.

    python benchmarks/segments.py ceilings adk_dims_heavy.pdb.gz --folder out --snr 0.1 0.01 0.001
    python benchmarks/segments.py transition adk_dims_heavy.pdb.gz --folder out --snr 0.01
    python benchmarks/segments.py transition adk_dims_heavy.pdb.gz --folder out --method field
    python benchmarks/segments.py toy --folder out --segments 2 6 25
    python benchmarks/segments.py speed adk_dims_heavy.pdb.gz --folder out --name two --options --processes 2
    python benchmarks/segments.py memory 4v5a.cif.gz --folder out

Stacks are sliced from maps (`--voxels`); stacks and runs stay in the folder and are not made again. Training
is the command `trimorph train`, in a process of its own; its CPU seconds and highest memory are the kernel's
account of that process. What follows --options goes to the command, and --name tells runs with other options
apart.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from segments_cost import memory, speed
from segments_toy import toy
from segments_transition import ceilings, transition


def main() -> None:
    """Make one of the tables."""
    tables = {
        "ceilings": ceilings, "transition": transition, "toy": toy, "speed": speed, "memory": memory,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", choices=tables)
    parser.add_argument("structure", type=Path, nargs="?", help="trajectory or structure")
    parser.add_argument("--folder", type=Path, default=Path("segments"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--snr", nargs="+", default=["0.1"])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--pixel-size", type=float, default=2.0)
    parser.add_argument("--method", default="segments", choices=["segments", "field"])
    parser.add_argument("--segments", type=int, nargs="+", default=[6])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", default="default", help="of the runs with these options")
    parser.add_argument(
        "--options", nargs=argparse.REMAINDER, default=[], help="further options of trimorph train"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables[options.table](options)


if __name__ == "__main__":
    main()
