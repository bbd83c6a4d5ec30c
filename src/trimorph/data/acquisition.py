"""Draw what differs from image to image: poses, shifts, CTF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.ctf import CTF
from trimorph.core.errors import InputError
from trimorph.core.rotations import euler_to_matrix, random_rotations
from trimorph.data.measured import Measured, read_measured
from trimorph.data.simulation_settings import SimulationSettings


@dataclass(frozen=True, eq=False)
class Acquisition:
    """Pose and CTF of n images: rotation (n, 3, 3), shift (n, 2) in Å, CTF with arrays (n,)."""

    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]
    ctf: CTF

    def __len__(self) -> int:
        return len(self.rotation)


def draw_acquisition(settings: SimulationSettings, *, box: int, pixel_size: float) -> Acquisition:
    """Draw poses, shifts and CTF for ``settings.count`` images.

    Rows of one file keep together: where poses and CTF come from the same file, an image has both of one row.
    """
    rotation, measured_shift = _draw_rotations(settings)
    generator = np.random.default_rng([settings.seed, 2])
    if settings.shift is None and measured_shift is not None:
        shift = measured_shift
    else:
        reach = box / 16 if settings.shift is None else settings.shift
        shift = generator.uniform(-reach, reach, (settings.count, 2)) * pixel_size
    return Acquisition(rotation=rotation, shift=shift, ctf=_draw_ctf(settings))


def preferred_rotations(
    count: int, *, concentration: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Rotations whose views follow a von Mises-Fisher distribution about +z, in-plane angles uniform.

    With kappa = ``concentration``, cos(tilt) = 1 + log(u + (1 - u) exp(-2 kappa)) / kappa for u uniform.
    Source: Ulrich, Applied Statistics 33 (1984) 158, in three dimensions.
    """
    u = generator.random(count)
    cosine = 1 + np.log(u + (1 - u) * np.exp(-2 * concentration)) / concentration
    rot, psi = generator.uniform(-np.pi, np.pi, (2, count))
    euler = np.stack([rot, np.arccos(np.clip(cosine, -1, 1)), psi], -1)
    return np.asarray(euler_to_matrix(torch.as_tensor(euler)).numpy())


def _draw_rotations(
    settings: SimulationSettings,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    if settings.poses == "uniform":
        generator = torch.Generator().manual_seed(settings.seed)
        return random_rotations(settings.count, generator=generator).numpy(), None
    if settings.poses == "preferred":
        rng = np.random.default_rng([settings.seed, 1])
        return preferred_rotations(settings.count, concentration=settings.concentration, generator=rng), None
    if not Path(settings.poses).suffix:
        raise InputError(
            f'Poses: found "{settings.poses}"; wanted "uniform", "preferred" or a .star, .cs or .npz file.'
        )
    measured = read_measured(Path(settings.poses))
    if measured.rotation is None:
        raise InputError(f"{settings.poses}: found no poses; wanted them. Choose a file after refinement.")
    rows = _draw_rows(len(measured), settings)
    return measured.rotation[rows], None if measured.shift is None else measured.shift[rows]


def _draw_ctf(settings: SimulationSettings) -> CTF:
    count = settings.count
    if settings.ctf is not None:
        measured = read_measured(Path(settings.ctf))
        return _measured_ctf(measured, settings)
    generator = np.random.default_rng([settings.seed, 3])
    defocus = generator.uniform(*settings.defocus, count)
    half = 0.5 * generator.uniform(0.0, 1.0, count) * settings.astigmatism
    angle = generator.uniform(0, np.pi, count) * (settings.astigmatism > 0)
    return CTF(
        defocus_u=defocus + half,
        defocus_v=defocus - half,
        defocus_angle=angle,
        phase_shift=np.full(count, settings.phase_shift),
        voltage=np.full(count, settings.voltage),
        spherical_aberration=np.full(count, settings.spherical_aberration),
        amplitude_contrast=np.full(count, settings.amplitude_contrast),
        b_factor=np.full(count, settings.b_factor),
        scale=np.ones(count),
    )


def _measured_ctf(measured: Measured, settings: SimulationSettings) -> CTF:
    if measured.ctf is None:
        raise InputError(f"{settings.ctf}: found no defocus; wanted CTF parameters. Choose another file.")
    rows = _draw_rows(len(measured), settings)
    usual = {
        "phase_shift": settings.phase_shift,
        "voltage": settings.voltage,
        "spherical_aberration": settings.spherical_aberration,
        "amplitude_contrast": settings.amplitude_contrast,
    }
    columns = {
        name: np.broadcast_to(np.asarray(value, float), (len(measured),))[rows]
        for name, value in {**usual, **measured.ctf}.items()
    }
    columns["b_factor"] = np.full(len(rows), settings.b_factor)
    return CTF(**columns, scale=np.ones(len(rows)))


def _draw_rows(available: int, settings: SimulationSettings) -> NDArray[np.int64]:
    """Rows of a file, none twice while there are enough."""
    generator = np.random.default_rng([settings.seed, 4])
    rounds = -(-settings.count // available)
    return np.concatenate([generator.permutation(available) for _ in range(rounds)])[: settings.count]
