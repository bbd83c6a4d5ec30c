"""cryoSPARC .cs files as particle tables, and back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.ctf import CTF
from trimorph.core.errors import InputError
from trimorph.core.rotations import vector_to_matrix
from trimorph.data.atomic import atomic_path
from trimorph.data.columns import bad_value, whole_numbers
from trimorph.data.cs_rows import CsRows, read_cs_rows
from trimorph.data.measured import Measured
from trimorph.data.stacks import check_images, find_stacks
from trimorph.data.tables import ParticleTable, SourceColumns, TableWarning

_POSES = ("alignments3D", "alignments_class_0")
_ABERRATIONS = ("ctf/shift_A", "ctf/tilt_A", "ctf/trefoil_A", "ctf/tetra_A", "ctf/anisomag")


def read_cs(
    path: Path,
    *,
    stack_path: Path | None = None,
    pixel_size: float | None = None,
    box: int | None = None,
    need_images: bool = True,
    passthrough: Sequence[Path] = (),
) -> ParticleTable:
    """Read a .cs file; the arguments are those of :func:`trimorph.data.read.read_particles`.

    ``blob`` names the images (``sign`` -1: protein is dark), ``alignments3D`` or ``alignments_class_0`` the
    poses: R = expm(pose)^T, and shifts in pixels of ``psize_A``; ``ctf`` the CTF.

    Errors: InputError naming file, row and field; FileNotFoundError for a stack.
    """
    cs = read_cs_rows(path, passthrough)
    names = [
        name.removeprefix(">") for name in cs.text("blob/path", wanted_for="the images of the particles")
    ]
    distinct = list(dict.fromkeys(names))
    if "" in distinct:
        raise bad_value(path, names.index(""), "blob/path", found="", wanted="the path of a stack")
    place = {name: index for index, name in enumerate(distinct)}
    stack = np.fromiter((place[name] for name in names), dtype=np.int64, count=len(names))
    index = cs.number("blob/idx", wanted_for="the images of the particles", low=0.0)
    slice_ = whole_numbers(index, source=path, column="blob/idx")
    stacks = find_stacks(distinct, source=path, stack_path=stack_path, need_images=need_images)
    boxes = check_images(
        stacks,
        stack=stack,
        slice_=slice_,
        source=path,
        stated_box=_stated_box(cs),
        resampled=pixel_size is not None,
        box=box,
    )
    size = np.full(len(cs), pixel_size, dtype=np.float64) if pixel_size is not None else _pixel_size(cs)
    kind = _pose_kind(cs)
    group, numbers = _groups(cs)
    _say_what_is_not_applied(cs)
    return ParticleTable(
        source=path,
        stacks=stacks.paths,
        stack=stack,
        slice=slice_,
        sign=_sign(cs),
        pixel_size=size,
        box=boxes,
        rotation=None if kind is None else _rotation(cs, kind),
        shift=None if kind is None else _shift(cs, kind),
        ctf=_ctf(cs),
        group=group,
        half=_half(cs, kind),
        micrograph=_micrographs(cs),
        row=np.arange(len(cs), dtype=np.int64),
        columns=SourceColumns(cs=cs.rows, groups=numbers),
    )


def measured_cs(path: Path) -> Measured:
    """Poses and CTF alone; shifts in pixels of unknown size are left out, and that is said."""
    cs = read_cs_rows(path)
    kind = _pose_kind(cs)
    shift = None
    if kind is not None:
        if cs.has(f"{kind}/psize_A") or cs.has("blob/psize_A"):
            shift = _shift(cs, kind)
        else:
            _say(cs, "no shifts are taken from it: they are in pixels, and the pixel size is missing")
    rotation = None if kind is None else _rotation(cs, kind)
    return Measured.of(len(cs), rotation=rotation, shift=shift, ctf=_ctf(cs))


def write_cs(table: ParticleTable, path: Path | str, *, overwrite: bool = False) -> None:
    """Write the table's rows as a .cs file with every field of the file that was read.

    Errors: FileExistsError; those of :func:`cs_rows`.
    """
    rows = cs_rows(table, path)
    with atomic_path(path, overwrite) as temporary, temporary.open("wb") as file:
        np.save(file, rows, allow_pickle=False)


def cs_rows(table: ParticleTable, path: Path | str) -> NDArray[Any]:
    """Every field of the table's rows, to be written to a path.

    Errors: InputError where the table was not read from a .cs file, or is expanded by a symmetry.
    """
    rows = table.columns.cs
    if table.copy is not None:
        raise InputError(
            f"{table.source}: found particles expanded by a symmetry, to be written to {path}; wanted each "
            "once, as uids are unique. Write a .star file, or expand them in cryoSPARC."
        )
    if rows is None:
        raise InputError(
            f"{table.source}: found no cryoSPARC fields to write to {path}; wanted a table read from a .cs "
            "file. Write a .star file."
        )
    found: NDArray[Any] = rows[table.row]
    return found


def _stated_box(cs: CsRows) -> NDArray[np.int64] | None:
    if not cs.has("blob/shape"):
        return None
    shape = cs.number("blob/shape", wanted_for="the box", width=2, low=1.0, high=1e5)
    uneven = np.flatnonzero(shape[:, 0] != shape[:, 1])
    if uneven.size:
        row = int(uneven[0])
        raise bad_value(
            cs.source, row, "blob/shape", found=shape[row].astype(int).tolist(), wanted="square images"
        )
    return shape[:, 0].astype(np.int64)


def _pixel_size(cs: CsRows) -> NDArray[np.float64]:
    return cs.number("blob/psize_A", wanted_for="the pixel size", low=1e-3, high=1e4)


def _sign(cs: CsRows) -> NDArray[np.float64]:
    if not cs.has("blob/sign"):
        _say(cs, "blob/sign is missing; protein is taken to be bright")
        return np.ones(len(cs))
    sign = cs.number("blob/sign", wanted_for="the contrast")
    wrong = np.flatnonzero(np.abs(sign) != 1)
    if wrong.size:
        row = int(wrong[0])
        raise bad_value(cs.source, row, "blob/sign", found=float(sign[row]), wanted="1 or -1")
    return sign


def _pose_kind(cs: CsRows) -> str | None:
    """Which fields hold the poses; None where there are none."""
    kinds = [kind for kind in _POSES if cs.has(f"{kind}/pose")]
    if not kinds:
        return None
    if kinds[0] == "alignments_class_0" and cs.has("alignments_class_1/pose"):
        raise InputError(
            f"{cs.source}: found poses for several classes (alignments_class_0, alignments_class_1, ...), "
            "each in the frame of its own map; wanted one. Export the particles of one class, or refine "
            "them together."
        )
    return kinds[0]


def _rotation(cs: CsRows, kind: str) -> NDArray[np.float64]:
    vector = cs.number(f"{kind}/pose", wanted_for="the pose", width=3, low=-1e3, high=1e3)
    return np.ascontiguousarray(vector_to_matrix(torch.from_numpy(vector)).mT.numpy())


def _shift(cs: CsRows, kind: str) -> NDArray[np.float64]:
    shift = cs.number(f"{kind}/shift", wanted_for="the shift", width=2)
    if cs.has(f"{kind}/psize_A"):
        size = cs.number(f"{kind}/psize_A", wanted_for="the shift", low=1e-3, high=1e4)
    else:
        _say(cs, f"{kind}/psize_A is missing; shifts are taken in pixels of blob/psize_A")
        size = _pixel_size(cs)
    return shift * size[:, None]


def _ctf(cs: CsRows) -> CTF | None:
    if not cs.has("ctf/df1_A") and not cs.has("ctf/df2_A"):
        return None
    wanted_for = "the CTF"
    phase = np.zeros(len(cs))
    if cs.has("ctf/phase_shift_rad"):
        phase = cs.number("ctf/phase_shift_rad", wanted_for=wanted_for)
    else:
        _say(cs, "ctf/phase_shift_rad is missing; it is taken as 0")
    optional = {
        name: cs.number(name, wanted_for=wanted_for) if cs.has(name) else np.full(len(cs), neutral)
        for name, neutral in (("ctf/bfactor", 0.0), ("ctf/scale", 1.0))
    }
    return CTF(
        defocus_u=cs.number("ctf/df1_A", wanted_for=wanted_for),
        defocus_v=cs.number("ctf/df2_A", wanted_for=wanted_for),
        defocus_angle=cs.number("ctf/df_angle_rad", wanted_for=wanted_for),
        phase_shift=phase,
        voltage=cs.number("ctf/accel_kv", wanted_for=wanted_for, low=1.0, high=1e4),
        spherical_aberration=cs.number("ctf/cs_mm", wanted_for=wanted_for, low=-1e3, high=1e3),
        amplitude_contrast=cs.number("ctf/amp_contrast", wanted_for=wanted_for, low=0.0, high=1.0),
        b_factor=optional["ctf/bfactor"],
        scale=optional["ctf/scale"],
    )


def _groups(cs: CsRows) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Optics group of each row, and the groups' numbers in the file."""
    if not cs.has("ctf/exp_group_id"):
        return np.zeros(len(cs), dtype=np.int64), ()
    number = cs.number("ctf/exp_group_id", wanted_for="the optics groups")
    unique, group = np.unique(number, return_inverse=True)
    return group.astype(np.int64), tuple(int(value) for value in unique)


def _half(cs: CsRows, kind: str | None) -> NDArray[np.int64] | None:
    if kind is None or not cs.has(f"{kind}/split"):
        return None
    split = cs.number(f"{kind}/split", wanted_for="the half sets")
    if not np.isin(split, (0, 1)).all():
        _say(cs, f"{kind}/split has other values than 0 and 1; the half sets are not taken from it")
        return None
    return split.astype(np.int64) + 1


def _micrographs(cs: CsRows) -> NDArray[Any] | None:
    if not cs.has("location/micrograph_path"):
        return None
    return np.array(cs.text("location/micrograph_path", wanted_for="the micrographs"), dtype=object)


def _say_what_is_not_applied(cs: CsRows) -> None:
    """Aberrations that the image model leaves out are named once where they are not zero."""
    named = [name for name in _ABERRATIONS if cs.has(name) and np.any(cs.fields[name])]
    if named:
        _say(cs, f"{', '.join(named)} are kept for writing, and not applied")


def _say(cs: CsRows, what: str) -> None:
    warnings.warn(f"{cs.source}: {what}.", TableWarning, stacklevel=2)
