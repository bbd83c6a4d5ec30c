"""RELION star files (versions up to 5) as particle tables, and back."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pandas import DataFrame

from trimorph.core.ctf import CTF
from trimorph.core.errors import InputError
from trimorph.core.rotations import euler_to_matrix
from trimorph.data.columns import bad_value, whole_numbers
from trimorph.data.measured import Measured
from trimorph.data.stacks import check_images, find_stacks
from trimorph.data.star_blocks import read_blocks, write_blocks
from trimorph.data.star_export import angle_columns, canonical_blocks
from trimorph.data.star_rows import StarRows, join_optics
from trimorph.data.tables import ParticleTable, SourceColumns, TableWarning

_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_NEUTRAL = {
    "rlnBeamTiltX": 0.0,
    "rlnBeamTiltY": 0.0,
    "rlnMagMat00": 1.0,
    "rlnMagMat01": 0.0,
    "rlnMagMat10": 0.0,
    "rlnMagMat11": 1.0,
}


def read_star(
    path: Path,
    *,
    stack_path: Path | None = None,
    pixel_size: float | None = None,
    box: int | None = None,
    need_images: bool = True,
) -> ParticleTable:
    """Read a RELION star file; the arguments are those of :func:`trimorph.data.read.read_particles`.

    From version 3.1 on the optics block is joined by ``rlnOpticsGroup`` and origins are in Å. Before, there
    is one block, origins are in pixels, and the pixel size is that of the detector over the magnification.

    Errors: InputError naming file, row and column; FileNotFoundError for a stack.
    """
    blocks = read_blocks(path)
    star = join_optics(path, blocks)
    stack, slice_, names = _image_names(star)
    stacks = find_stacks(names, source=path, stack_path=stack_path, need_images=need_images)
    boxes = check_images(
        stacks,
        stack=stack,
        slice_=slice_,
        source=path,
        stated_box=_stated_box(star),
        resampled=pixel_size is not None,
        box=box,
    )
    size = _pixel_size(star, pixel_size)
    rotation = _rotation(star)
    _refuse_premultiplied(star)
    _say_what_is_not_applied(star)
    return ParticleTable(
        source=path,
        stacks=stacks.paths,
        stack=stack,
        slice=slice_,
        sign=np.ones(len(star)),
        pixel_size=size,
        box=boxes,
        rotation=rotation,
        shift=None if rotation is None else _shift(star, _pixel_of_origin(star, size, boxes)),
        ctf=_ctf(star),
        group=star.group,
        half=_half(star),
        micrograph=star.text("rlnMicrographName"),
        row=np.arange(len(star), dtype=np.int64),
        columns=SourceColumns(star=blocks, particles=star.block, groups=star.group_numbers),
    )


def measured_star(path: Path) -> Measured:
    """Poses and CTF alone; origins in pixels of unknown size are left out, and that is said."""
    star = join_optics(path, read_blocks(path))
    rotation, size = _rotation(star), _stated_pixel_size(star)
    shift = None
    if rotation is not None:
        if size is None and star.has("rlnOriginX") and not star.has("rlnOriginXAngst"):
            _say(star, "no shifts are taken from it: they are in pixels, and the pixel size is missing")
        else:
            shift = _shift(star, np.ones(len(star)) if size is None else size)
    return Measured.of(len(star), rotation=rotation, shift=shift, ctf=_ctf(star))


def write_star(table: ParticleTable, path: Path | str, *, overwrite: bool = False) -> None:
    """Write the table's rows as a star file.

    A table that was read from a star file is written with all its blocks, and every value of every column as
    it stood there, but for the angles of particles that a symmetry has expanded. Any other table becomes
    RELION 3.1 blocks with canonical values.

    Errors: FileExistsError; InputError where images are dark on bright (no star column says so).
    """
    source = table.columns
    path = Path(path)
    if source.star is None or source.particles is None:
        write_blocks(canonical_blocks(table, path.absolute().parent), path, overwrite)
        return
    particles = source.star[source.particles]
    assert isinstance(particles, DataFrame)  # so read
    rows = particles.iloc[table.row]
    if table.copy is not None:
        rows = rows.assign(**angle_columns(table))
    write_blocks({**source.star, source.particles: rows}, path, overwrite)


def image_keys(star: StarRows) -> tuple[NDArray[np.int64], list[str]]:
    """Image number (from 1) and stack name of each row; a name without `@` is a file with one image."""
    split = [name.partition("@") for name in _names(star)]
    token = [number if at else "1" for number, at, _ in split]
    number = whole_numbers(token, source=star.source, column="rlnImageName", low=1)
    return number, [stack if at else whole for whole, at, stack in split]


def _names(star: StarRows) -> NDArray[Any]:
    names = star.text("rlnImageName")
    if names is None:
        raise star.missing("rlnImageName", wanted_for="the images of the particles")
    return names


def _image_names(star: StarRows) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Stack of each row, image in that stack from 0, and the stacks' names."""
    number, stacks = image_keys(star)
    names = list(dict.fromkeys(stacks))
    if "" in names:
        row = stacks.index("")
        raise bad_value(star.source, row, "rlnImageName", found=str(_names(star)[row]), wanted="number@stack")
    place = {name: index for index, name in enumerate(names)}
    stack = np.fromiter((place[name] for name in stacks), dtype=np.int64, count=len(stacks))
    return stack, number - 1, names


def _stated_box(star: StarRows) -> NDArray[np.int64] | None:
    if not star.has("rlnImageSize"):
        return None
    size = star.number("rlnImageSize", wanted_for="the box", low=1.0, high=1e5)
    return whole_numbers(size, source=star.source, column="rlnImageSize")


def _stated_pixel_size(star: StarRows) -> NDArray[np.float64] | None:
    """Pixel size in Å as the file has it; None where it does not say."""
    for column in ("rlnImagePixelSize", "rlnPixelSize"):
        if star.has(column):
            return star.number(column, wanted_for="the pixel size", low=1e-3, high=1e4)
    if star.has("rlnDetectorPixelSize", "rlnMagnification"):
        detector = star.number("rlnDetectorPixelSize", wanted_for="the pixel size", low=1e-3, high=1e4)
        magnification = star.number("rlnMagnification", wanted_for="the pixel size", low=1.0, high=1e9)
        return detector * 1e4 / magnification
    return None


def _pixel_size(star: StarRows, given: float | None) -> NDArray[np.float64]:
    if given is not None:
        return np.full(len(star), float(given))
    stated = _stated_pixel_size(star)
    if stated is None:
        raise star.missing(
            "rlnImagePixelSize",
            wanted_for="the pixel size (or rlnDetectorPixelSize together with rlnMagnification)",
            advice="Pass the pixel size in Å (--source-pixel-size).",
        )
    return stated


def _pixel_of_origin(
    star: StarRows, size: NDArray[np.float64], box: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Pixel size in Å that origins in pixels refer to: the file's own where its images were resampled."""
    stated_box, stated = _stated_box(star), _stated_pixel_size(star)
    if star.has("rlnOriginXAngst") or not star.has("rlnOriginX") or stated is None:
        return size
    if stated_box is not None:
        return np.where(stated_box == box, size, stated)
    if (np.abs(size / stated - 1) > 0.1).any():
        _say(
            star,
            f"rlnOriginX, rlnOriginY are taken in pixels of {size[0]:g} Å, as given, and not of "
            f"{stated[0]:g} Å, as the file has it",
        )
    return size


def _rotation(star: StarRows) -> NDArray[np.float64] | None:
    absent = [name for name in _ANGLES if not star.has(name)]
    if absent:
        if len(absent) < 3:
            _say(star, f"no poses are taken from it: {', '.join(absent)} missing")
        return None
    angles = [star.number(name, wanted_for="the pose") for name in _ANGLES]
    euler = torch.from_numpy(np.deg2rad(np.stack(angles, axis=1)))
    return np.ascontiguousarray(euler_to_matrix(euler).numpy())


def _shift(star: StarRows, pixel_size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shifts in Å: origins in Å, else origins in pixels times ``pixel_size``, else zero."""
    for columns, scale in (
        (("rlnOriginXAngst", "rlnOriginYAngst"), np.ones(len(star))),
        (("rlnOriginX", "rlnOriginY"), pixel_size),
    ):
        if any(star.has(column) for column in columns):
            return np.stack([star.number(name, wanted_for="the shift") * scale for name in columns], axis=1)
    return np.zeros((len(star), 2))


def _ctf(star: StarRows) -> CTF | None:
    if not star.has("rlnDefocusU") and not star.has("rlnDefocusV"):
        return None
    wanted_for = "the CTF"
    angle = star.number("rlnDefocusAngle", wanted_for=wanted_for)
    phase = np.zeros(len(star))
    if star.has("rlnPhaseShift"):
        phase = star.number("rlnPhaseShift", wanted_for=wanted_for)
    else:
        _say(star, "rlnPhaseShift is missing; it is taken as 0")
    optional = {
        name: star.number(name, wanted_for=wanted_for) if star.has(name) else np.full(len(star), neutral)
        for name, neutral in (("rlnCtfBfactor", 0.0), ("rlnCtfScalefactor", 1.0))
    }
    return CTF(
        defocus_u=star.number("rlnDefocusU", wanted_for=wanted_for),
        defocus_v=star.number("rlnDefocusV", wanted_for=wanted_for),
        defocus_angle=np.deg2rad(angle),
        phase_shift=np.deg2rad(phase),
        voltage=star.number("rlnVoltage", wanted_for=wanted_for, low=1.0, high=1e4),
        spherical_aberration=star.number("rlnSphericalAberration", wanted_for=wanted_for, low=-1e3, high=1e3),
        amplitude_contrast=star.number("rlnAmplitudeContrast", wanted_for=wanted_for, low=0.0, high=1.0),
        b_factor=_decaying(star, optional["rlnCtfBfactor"]),
        scale=optional["rlnCtfScalefactor"],
    )


def _refuse_premultiplied(star: StarRows) -> None:
    if not star.has("rlnCtfDataAreCtfPremultiplied"):
        return
    flag = star.number("rlnCtfDataAreCtfPremultiplied", wanted_for="the CTF")
    if flag.any():
        raise InputError(
            f"{star.source}: row {int(np.flatnonzero(flag)[0]) + 1}: images that were multiplied by "
            "their CTF (rlnCtfDataAreCtfPremultiplied is 1); wanted images as recorded. Extract them "
            "again without premultiplication."
        )


def _decaying(star: StarRows, b_factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """B-factors with RELION's sign: Warp and M write a dose's decay with the opposite one."""
    if (b_factor > 0).any() or not (b_factor < 0).any():
        return b_factor
    _say(
        star,
        f"rlnCtfBfactor is never positive (down to {b_factor.min():g} Å^2), as Warp and M write a decay; "
        "its sign is turned",
    )
    return -b_factor


def _half(star: StarRows) -> NDArray[np.int64] | None:
    if not star.has("rlnRandomSubset"):
        return None
    half = star.number("rlnRandomSubset", wanted_for="the half sets")
    if not np.isin(half, (1, 2)).all():
        _say(star, "rlnRandomSubset has other values than 1 and 2; the half sets are not taken from it")
        return None
    return half.astype(np.int64)


def _say_what_is_not_applied(star: StarRows) -> None:
    """Aberrations that the image model leaves out are named once where they are not neutral."""
    named = [
        name
        for name, neutral in _NEUTRAL.items()
        if star.has(name) and (star.number(name, wanted_for="the aberrations") != neutral).any()
    ]
    named += [
        name
        for name in ("rlnOddZernike", "rlnEvenZernike")
        if star.optics is not None and name in star.optics.columns
    ]
    if named:
        _say(star, f"{', '.join(named)} are kept for writing, and not applied")


def _say(star: StarRows, what: str) -> None:
    warnings.warn(f"{star.source}: {what}.", TableWarning, stacklevel=2)
