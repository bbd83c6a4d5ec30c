"""cryoDRGN's files: image stacks, poses.pkl, ctf.pkl, ind.pkl and z.pkl.

Poses are a pair of rotations (n, 3, 3), which are R as it is here, and shifts (n, 2) as a fraction of the
box, which move the image's content by +t as ``rlnOrigin`` does. CTF rows are [box, pixel size in Å,
defocus U and V in Å, astigmatism angle in degrees, voltage in kV, spherical aberration in mm, amplitude
contrast, phase shift in degrees]. cryoDRGN itself multiplies the shifts by box + 1 pixels, and its CTF has
the opposite sign, which its inversion of the images undoes: images are bright on dark here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.ctf import CTF
from trimorph.core.errors import InputError
from trimorph.core.rotations import is_rotation
from trimorph.data.columns import numbers
from trimorph.data.mrc import open_stack
from trimorph.data.pickles import read_arrays, write_arrays
from trimorph.data.stacks import find_stacks
from trimorph.data.tables import ParticleTable

_CTF_COLUMNS = (
    ("box", 1.0, 1e5),
    ("pixel size", 1e-3, 1e4),
    ("defocus U", -1e12, 1e12),
    ("defocus V", -1e12, 1e12),
    ("astigmatism angle", -1e12, 1e12),
    ("voltage", 1.0, 1e4),
    ("spherical aberration", -1e3, 1e3),
    ("amplitude contrast", 0.0, 1.0),
    ("phase shift", -1e12, 1e12),
)


def read_images(path: Path, *, pixel_size: float | None = None, ctf: Path | None = None) -> ParticleTable:
    """Table of all images of a stack, or of the stacks that a .txt file lists, without poses and CTF.

    The pixel size is the one given, else that of ``ctf`` for the same field of view, else the header's.

    Errors: FileNotFoundError; InputError where there is no image or no pixel size.
    """
    names = _listed(path) if path.suffix.lower() == ".txt" else [path.name]
    stacks = find_stacks(names, source=path)
    count = int(stacks.images.sum())
    if not count:
        raise InputError(f"{path}: found no image; wanted at least one. Check the stack.")
    stack = np.repeat(np.arange(len(names)), stacks.images)
    start = np.cumsum(stacks.images) - stacks.images
    box = stacks.box[stack]
    if pixel_size is not None:
        size = np.full(count, float(pixel_size))
    elif ctf is not None:
        table = _ctf_rows(ctf, count)
        size = table[:, 0] * table[:, 1] / box
    else:
        size = np.array([_header_pixel_size(place) for place in stacks.paths])[stack]
    return ParticleTable(
        source=path,
        stacks=stacks.paths,
        stack=stack,
        slice=np.arange(count) - start[stack],
        sign=np.ones(count),
        pixel_size=size,
        box=box,
        rotation=None,
        shift=None,
        ctf=None,
        group=np.zeros(count, dtype=np.int64),
        half=None,
        micrograph=None,
        row=np.arange(count),
    )


def with_pickles(
    table: ParticleTable, *, poses: Path | None = None, ctf: Path | None = None
) -> ParticleTable:
    """The same particles with the poses and CTFs of cryoDRGN's files, one row an image.

    Errors: InputError where numbers of rows differ, a matrix is not a rotation, a shift is not a fraction of
    the box, or a value is missing.
    """
    if poses is not None:
        rotation, fraction = _poses(poses, len(table))
        shift = fraction * (table.box * table.pixel_size)[:, None]
        table = replace(table, rotation=rotation, shift=shift)
    if ctf is not None:
        rows = _ctf_rows(ctf, len(table))
        table = replace(
            table,
            ctf=CTF(
                defocus_u=rows[:, 2],
                defocus_v=rows[:, 3],
                defocus_angle=np.deg2rad(rows[:, 4]),
                phase_shift=np.deg2rad(rows[:, 8]),
                voltage=rows[:, 5],
                spherical_aberration=rows[:, 6],
                amplitude_contrast=rows[:, 7],
                b_factor=np.zeros(len(rows)),
                scale=np.ones(len(rows)),
            ),
        )
    return table


def write_poses(table: ParticleTable, path: Path | str, *, overwrite: bool = False) -> None:
    """Write poses.pkl. Errors: FileExistsError; InputError where the table has no poses."""
    if table.rotation is None or table.shift is None:
        raise InputError(
            f"{table.source}: found no poses; wanted some to write to {path}. Refine them first."
        )
    fraction = table.shift / (table.box * table.pixel_size)[:, None]
    pair = (table.rotation.astype(np.float32), fraction.astype(np.float32))
    write_arrays([pair], Path(path), overwrite=overwrite)


def write_ctf(table: ParticleTable, path: Path | str, *, overwrite: bool = False) -> None:
    """Write ctf.pkl, which has no room for B-factor and scale.

    Errors: FileExistsError; InputError where the table has no CTF.
    """
    ctf = table.ctf
    if ctf is None:
        raise InputError(f"{table.source}: found no CTF; wanted one to write to {path}. Estimate it first.")
    columns = (
        table.box,
        table.pixel_size,
        ctf.defocus_u,
        ctf.defocus_v,
        np.rad2deg(ctf.defocus_angle),
        ctf.voltage,
        ctf.spherical_aberration,
        ctf.amplitude_contrast,
        np.rad2deg(ctf.phase_shift),
    )
    write_arrays([np.stack(columns, axis=1).astype(np.float32)], Path(path), overwrite=overwrite)


def write_index(index: NDArray[np.int64], path: Path | str, *, overwrite: bool = False) -> None:
    """Write ind.pkl: the numbers of the chosen rows, from 0."""
    write_arrays([np.asarray(index, dtype=np.int64)], Path(path), overwrite=overwrite)


def write_latents(
    mean: NDArray[Any],
    path: Path | str,
    *,
    log_variance: NDArray[Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write z.pkl: latent means (n, d), followed by the logarithms of their variances where there are any."""
    parts = [mean] if log_variance is None else [mean, log_variance]
    write_arrays([np.asarray(part, dtype=np.float32) for part in parts], Path(path), overwrite=overwrite)


def read_latents(path: Path | str) -> NDArray[np.float64]:
    """Read the latent means (n, d) of a z.pkl. Errors: InputError."""
    path = Path(path)
    return numbers(_array(read_arrays(path), path, 2, "latents (n, d)"), source=path, column="z")


def _poses(path: Path, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found = read_arrays(path)
    pair = found if isinstance(found, tuple) else (found, np.zeros((count, 2)))
    if len(pair) != 2:
        raise InputError(f"{path}: found {len(pair)} arrays; wanted rotations and shifts. Check the path.")
    rotation = _array(pair[0], path, 3, "rotations (n, 3, 3)")
    fraction = _array(pair[1], path, 2, "shifts (n, 2)")
    if rotation.shape[1:] != (3, 3) or fraction.shape[1:] != (2,):
        raise InputError(
            f"{path}: found arrays of shape {rotation.shape} and {fraction.shape}; wanted rotations (n, 3, "
            "3) and shifts (n, 2). Check the path."
        )
    for name, array in (("rotations", rotation), ("shifts", fraction)):
        _same_length(path, name, len(array), count)
    rotation = numbers(rotation, source=path, column="rotation")
    fraction = numbers(fraction, source=path, column="shift")
    wrong = np.flatnonzero(~is_rotation(torch.from_numpy(rotation)).numpy())
    if wrong.size:
        row = int(wrong[0])
        raise InputError(
            f"{path}: row {row + 1}: found {np.round(rotation[row], 3).tolist()}, which is not a rotation; "
            "wanted R with R R^T = 1 and determinant +1. Make the poses again."
        )
    far = np.flatnonzero((np.abs(fraction) > 1).any(axis=1))
    if far.size:
        row = int(far[0])
        raise InputError(
            f"{path}: row {row + 1}: found the shift {fraction[row].tolist()}; wanted fractions of the box, "
            "from -1 to 1. Shifts in pixels (as cryoDRGN's ab-initio jobs write them) must be divided by "
            "the box."
        )
    return rotation, fraction


def _ctf_rows(path: Path, count: int) -> NDArray[np.float64]:
    rows = _array(read_arrays(path), path, 2, "CTF rows (n, 9)")
    if rows.shape[1] != len(_CTF_COLUMNS):
        raise InputError(f"{path}: found CTF rows of {rows.shape[1]} numbers; wanted 9. Check the path.")
    _same_length(path, "CTF rows", len(rows), count)
    columns = [
        numbers(rows[:, place], source=path, column=name, low=low, high=high)
        for place, (name, low, high) in enumerate(_CTF_COLUMNS)
    ]
    return np.stack(columns, axis=1)


def _array(found: Any, path: Path, dimensions: int, wanted: str) -> NDArray[Any]:
    if not isinstance(found, np.ndarray) or found.ndim != dimensions or found.dtype.kind not in "fiu":
        shape = f"numbers of shape {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise InputError(f"{path}: found {shape}; wanted {wanted}. Check the path.")
    return found


def _same_length(path: Path, name: str, found: int, count: int) -> None:
    if found != count:
        raise InputError(
            f"{path}: found {found} {name}; wanted {count}, one for each image. Were the images filtered? "
            "Write the file again for the same images."
        )


def _listed(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: found bytes that are not text; wanted a list of stacks.") from error
    names = [line for line in lines if line]
    if not names:
        raise InputError(f"{path}: found an empty list; wanted the path of a stack in each line.")
    return names


def _header_pixel_size(path: Path) -> float:
    size = open_stack(path).pixel_size
    if size is None or not 1e-3 <= size <= 1e4:
        raise InputError(
            f"{path}: found the pixel size {size} in the header; wanted one in Å. Pass it "
            "(--source-pixel-size)."
        )
    return size
