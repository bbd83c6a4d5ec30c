"""Poses and CTF of real particles, as a source for simulated ones."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.core.ctf import CTF, CTF_PARAMETERS
from trimorph.core.errors import InputError

_DRAWN = CTF_PARAMETERS[:7]
"""CTF parameters that describe the microscope, not the particle: all but B-factor and scale."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Poses (rotation, shift in Å) and CTF parameters of n particles in canonical units, where known."""

    count: int
    rotation: NDArray[np.float64] | None
    shift: NDArray[np.float64] | None
    ctf: Mapping[str, Any] | None

    def __len__(self) -> int:
        return self.count

    @classmethod
    def of(
        cls,
        count: int,
        *,
        rotation: NDArray[np.float64] | None,
        shift: NDArray[np.float64] | None,
        ctf: CTF | None,
    ) -> Measured:
        """Of a CTF, what describes the microscope is taken."""
        drawn = None if ctf is None else {name: getattr(ctf, name) for name in _DRAWN}
        return cls(count=count, rotation=rotation, shift=shift, ctf=drawn)


def read_measured(path: Path) -> Measured:
    """Read poses and CTF from a RELION star file, a cryoSPARC .cs file or an .npz file.

    Images are not looked for, and the file need not say how large they are.
    An .npz file written by ``trimorph simulate`` holds canonical units. Any other is read in cryoDRGN's:
    ``rot`` (n, 3, 3), ``trans_frac_of_box`` (n, 2) with ``D`` and ``apix``, ``defocus_u``,
    ``defocus_v`` in Å, ``defocus_angle`` and ``phase_shift`` in degrees, ``kv``, ``cs_mm``, ``amp``.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. Give a .star, .cs or .npz file with poses or CTF.")
    kind = path.suffix.lower()
    if kind == ".npz":
        return _check(_read_npz(path), path)
    if kind == ".star":
        from trimorph.data.star import measured_star

        return measured_star(path)
    if kind == ".cs":
        from trimorph.data.cryosparc import measured_cs

        return measured_cs(path)
    raise InputError(
        f'{path}: found the ending "{path.suffix}"; wanted poses or CTF in a .star, .cs or .npz file.'
    )


def _read_npz(path: Path) -> Measured:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: _double(file[name]) for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as .npz: {error}. Is the file complete?") from error
    canonical = "convention_version" in arrays
    rotation = arrays.get("rotation", arrays.get("rot"))
    names = dict(zip(_DRAWN, _DRAWN, strict=True))
    degrees = 1.0
    shift = arrays.get("shift") if canonical else _shift_of_fraction(arrays, path)
    if not canonical:
        names |= {"voltage": "kv", "spherical_aberration": "cs_mm", "amplitude_contrast": "amp"}
        degrees = np.pi / 180
    ctf = None
    if "defocus_u" in arrays:
        ctf = {name: arrays[key] for name, key in names.items() if key in arrays}
        ctf.setdefault("defocus_v", ctf["defocus_u"])
        for name in {"defocus_angle", "phase_shift"} & set(ctf):
            ctf[name] = ctf[name] * degrees
    if rotation is None and ctf is None:
        raise InputError(
            f"{path}: found {', '.join(sorted(arrays)) or 'nothing'}; wanted rot (n, 3, 3) or defocus_u (n,)."
        )
    count = len(rotation) if rotation is not None else len(arrays["defocus_u"])
    return Measured(
        count=count,
        rotation=None if rotation is None else rotation,
        shift=None if shift is None else shift,
        ctf=ctf,
    )


def _double(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.float64) if values.dtype.kind == "f" else values


def _shift_of_fraction(arrays: Mapping[str, NDArray[Any]], path: Path) -> NDArray[np.float64] | None:
    if "trans_frac_of_box" not in arrays:
        return None
    if not {"D", "apix"} <= set(arrays):
        raise InputError(
            f"{path}: found trans_frac_of_box without D and apix; wanted these to know the shifts in Å."
        )
    return np.asarray(arrays["trans_frac_of_box"] * (float(arrays["D"]) * float(arrays["apix"])))


def _check(measured: Measured, path: Path) -> Measured:
    columns = {"rotation": measured.rotation, "shift": measured.shift, **(measured.ctf or {})}
    for name, values in columns.items():
        if values is None:
            continue
        if values.ndim and len(values) != measured.count:
            raise InputError(
                f"{path}: found {len(values)} rows of {name}; wanted {measured.count}, as of the others."
            )
        bad = np.flatnonzero(~np.isfinite(values).reshape(len(values) if values.ndim else 1, -1).all(1))
        if len(bad):
            raise InputError(
                f"{path}: {name} is not finite in {len(bad)} rows, first in row {bad[0]}; wanted numbers."
            )
    return measured
