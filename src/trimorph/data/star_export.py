"""Canonical values as the blocks of a RELION 3.1 star file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pandas import DataFrame

from trimorph.core.ctf import CTF
from trimorph.core.errors import InputError
from trimorph.core.rotations import matrix_to_euler
from trimorph.data.tables import ParticleTable


def canonical_blocks(table: ParticleTable, folder: Path) -> dict[str, DataFrame | dict[str, str]]:
    """Blocks data_optics and data_particles for a table, with stacks named from ``folder``.

    Rows that share ``group``, pixel size, box, voltage, spherical aberration and amplitude contrast make one
    optics group. Errors: InputError where pixels need their sign turned, which no star column can say.
    """
    refuse_dark(table)
    optics_values = _optics_values(table)
    unique, place = np.unique(
        np.column_stack([table.group, *optics_values.values()]), axis=0, return_inverse=True
    )
    place = place.ravel()
    count = len(unique)
    optics = {
        "rlnOpticsGroup": [str(number + 1) for number in range(count)],
        "rlnOpticsGroupName": [f"opticsGroup{number + 1}" for number in range(count)],
    }
    for column, name in enumerate(optics_values, start=1):
        whole = name == "rlnImageSize"
        optics[name] = [f"{value:.0f}" if whole else f"{value:.6f}" for value in unique[:, column]]
    optics["rlnImageDimensionality"] = ["2"] * count
    particles = {"rlnImageName": _image_names(table, folder)}
    if table.micrograph is not None:
        particles["rlnMicrographName"] = [str(name) for name in table.micrograph]
    particles["rlnOpticsGroup"] = [str(number + 1) for number in place]
    particles |= _pose_columns(table)
    if table.ctf is not None:
        particles |= _ctf_columns(table.ctf)
    if table.half is not None:
        particles["rlnRandomSubset"] = [str(half) for half in table.half]
    return {"optics": DataFrame(optics), "particles": DataFrame(particles)}


def refuse_dark(table: ParticleTable) -> None:
    """Raise InputError where pixels need their sign turned, which no star column can say."""
    if (table.sign < 0).any():
        raise InputError(
            f"{table.source}: row {int(np.flatnonzero(table.sign < 0)[0]) + 1}: images with protein dark "
            "(blob/sign -1), which a star file cannot say; wanted protein bright. Write a .cs file, or "
            "invert the stack first."
        )


def angle_columns(table: ParticleTable) -> dict[str, list[str]]:
    """Columns of the Euler angles in degrees; none where the table has no poses."""
    if table.rotation is None:
        return {}
    euler = np.rad2deg(matrix_to_euler(torch.from_numpy(table.rotation)).numpy())
    names = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    return {name: _six(values) for name, values in zip(names, euler.T, strict=True)}


def _optics_values(table: ParticleTable) -> dict[str, NDArray[np.float64]]:
    ctf = table.ctf
    values = (
        {}
        if ctf is None
        else {
            "rlnVoltage": ctf.voltage,
            "rlnSphericalAberration": ctf.spherical_aberration,
            "rlnAmplitudeContrast": ctf.amplitude_contrast,
        }
    )
    return {**values, "rlnImagePixelSize": table.pixel_size, "rlnImageSize": table.box.astype(np.float64)}


def _image_names(table: ParticleTable, folder: Path) -> list[str]:
    names = []
    for stack in table.stacks:
        path = stack.absolute()
        names.append(str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path))
    return [
        f"{number + 1:06d}@{names[stack]}" for number, stack in zip(table.slice, table.stack, strict=True)
    ]


def _pose_columns(table: ParticleTable) -> dict[str, list[str]]:
    columns = angle_columns(table)
    if table.shift is not None:
        names = ("rlnOriginXAngst", "rlnOriginYAngst")
        columns |= {name: _six(values) for name, values in zip(names, table.shift.T, strict=True)}
    return columns


def _ctf_columns(ctf: CTF) -> dict[str, list[str]]:
    return {
        "rlnDefocusU": _six(ctf.defocus_u),
        "rlnDefocusV": _six(ctf.defocus_v),
        "rlnDefocusAngle": _six(np.rad2deg(ctf.defocus_angle)),
        "rlnPhaseShift": _six(np.rad2deg(ctf.phase_shift)),
        "rlnCtfBfactor": _six(ctf.b_factor),
        "rlnCtfScalefactor": _six(ctf.scale),
    }


def _six(values: NDArray[np.float64]) -> list[str]:
    return [f"{value:.6f}" for value in values]
