"""Small star files and stacks for tests of the readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from trimorph.data.mrc import write_stack

OPTICS: dict[str, Sequence[object]] = {
    "rlnOpticsGroup": [1],
    "rlnOpticsGroupName": ["opticsGroup1"],
    "rlnVoltage": [300.0],
    "rlnSphericalAberration": [2.7],
    "rlnAmplitudeContrast": [0.1],
    "rlnImagePixelSize": [1.5],
    "rlnImageSize": [8],
}
PARTICLES: dict[str, Sequence[object]] = {
    "rlnImageName": ["1@images.mrcs", "000003@images.mrcs", "2@images.mrcs"],
    "rlnOpticsGroup": [1, 1, 1],
    "rlnAngleRot": [-147.9485, 0.0, 30.0],
    "rlnAngleTilt": [22.58999, 0.0, 60.0],
    "rlnAnglePsi": [162.539, 90.0, 10.0],
    "rlnOriginXAngst": [3.0, -1.5, 0.0],
    "rlnOriginYAngst": [-2.0, 0.5, 0.0],
    "rlnDefocusU": [15000.0, 16000.0, 17000.0],
    "rlnDefocusV": [14500.0, 16000.0, 16500.0],
    "rlnDefocusAngle": [45.0, 0.0, -30.0],
    "rlnPhaseShift": [0.0, 90.0, 0.0],
    "rlnRandomSubset": [1, 2, 1],
    "rlnMicrographName": ["a.mrc", "b.mrc", "a.mrc"],
}


def without(columns: Mapping[str, Sequence[object]], *names: str) -> dict[str, Sequence[object]]:
    return {name: values for name, values in columns.items() if name not in names}


def loop(name: str, columns: Mapping[str, Sequence[object]]) -> str:
    head = "".join(f"_{column} #{number}\n" for number, column in enumerate(columns, start=1))
    rows = "".join("  ".join(map(str, row)) + "\n" for row in zip(*columns.values(), strict=True))
    return f"\n# version 30001\n\ndata_{name}\n\nloop_\n{head}{rows}\n"


def write_files(
    folder: Path,
    *,
    optics: Mapping[str, Sequence[object]] | None = OPTICS,
    particles: Mapping[str, Sequence[object]] = PARTICLES,
    images: int = 3,
    box: int = 8,
) -> Path:
    """A star file in ``folder`` beside a stack images.mrcs."""
    stack = folder / "images.mrcs"
    if not stack.exists():
        write_stack(stack, np.zeros((images, box, box), np.float32), 1.5)
    star = folder / "particles.star"
    blocks = "" if optics is None else loop("optics", optics)
    star.write_text(blocks + loop("particles" if optics is not None else "", particles))
    return star
