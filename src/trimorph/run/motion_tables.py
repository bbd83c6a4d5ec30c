"""Motions as comma-separated tables: along principal components, along localised directions, and latents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.data.atomic import atomic_path
from trimorph.run.motion_cloud import CloudMotion
from trimorph.training.latents import Latents


def write_components(path: Path, latents: Latents, components: list[CloudMotion]) -> None:
    """Write a row a principal component: the latents' standard deviation, and the motion between its ends.

    Root mean square and longest displacement in Å, root mean square change of amplitudes over their mean.
    """
    mean = latents.mean.astype(np.float64)
    rows: list[list[Any]] = []
    for number, motion in enumerate(components, start=1):
        deviation = float((mean @ _unit(motion)).std())
        rows.append([number, deviation, motion.rms(), float(motion.length.max()), motion.amplitude_change])
    _write(path, ["component", "latent_sd", "rms", "longest", "amplitude_change"], rows)


def write_directions(
    path: Path, motions: list[CloudMotion], *, share: Float[ndarray, " k"], inside: Float[ndarray, " g"]
) -> None:
    """Write a row a localised direction: its share of motion inside, rms in Å, and its unit vector."""
    header = ["direction", "share", "rms_inside", "rms_outside"]
    components = [f"u{i + 1}" for i in range(motions[0].z.shape[1])]
    rows = [
        [number, float(part), motion.rms(inside), motion.rms(1 - inside), *_unit(motion).tolist()]
        for number, (motion, part) in enumerate(zip(motions, share, strict=True), start=1)
    ]
    _write(path, header + components, rows)


def write_ends(path: Path, motion: CloudMotion) -> None:
    """Write the latents of both ends, as the table of `trimorph volumes` has them."""
    rows = [[f"{name}.mrc", *z] for name, z in zip(("start", "end"), motion.z.tolist(), strict=True)]
    _write(path, ["map", *(f"z{i + 1}" for i in range(motion.z.shape[1]))], rows)


def _unit(motion: CloudMotion) -> Float[ndarray, " d"]:
    """Unit vector of the latent from start to end."""
    axis = motion.z[1] - motion.z[0]
    return axis / max(float(np.linalg.norm(axis)), 1e-300)


def _write(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    lines = [",".join(header), *(",".join(map(_plain, row)) for row in rows)]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _plain(value: Any) -> str:
    return f"{value:.8g}" if isinstance(value, float) else str(value)
