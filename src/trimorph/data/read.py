"""read_particles: any supported file of particles as one ParticleTable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trimorph.core.errors import InputError
from trimorph.data.tables import ParticleTable


def read_particles(
    path: Path | str,
    *,
    stack_path: Path | str | None = None,
    pixel_size: float | None = None,
    box: int | None = None,
    optics_group: int | None = None,
    poses: Path | str | None = None,
    ctf: Path | str | None = None,
    passthrough: Sequence[Path | str] = (),
    need_images: bool = True,
) -> ParticleTable:
    """Read what is known of particle images: RELION .star, cryoSPARC .cs, or image stacks.

    Image stacks are .mrcs, .mrc, or a .txt that lists them. ``stack_path`` is a stack that is used instead of
    the one that the file names, or a folder in which its stacks lie. ``pixel_size`` in Å is that of the
    stack's pixels, whatever the file says: lengths in Å (defocus, shifts in Å) stay as they are; shifts in
    pixels are pixels of the stack, unless the file states another box than the stack has, which is then
    resampled: they are the file's own pixels. ``box`` is needed only where neither the file nor a stack at
    hand says it. ``optics_group`` keeps the rows of one group, by its number in the file (``rlnOpticsGroup``,
    ``ctf/exp_group_id``). ``poses`` and ``ctf`` are cryoDRGN's .pkl files, and replace what the file has.
    ``passthrough`` are cryoSPARC's files with the other columns, joined by uid. With ``need_images`` false,
    the stacks need not be there.

    Images of several pixel sizes are read as they are; a ParticleStack asks for one.

    Errors: InputError naming file, row and column; FileNotFoundError, for stacks with the places looked at.
    """
    path = Path(path)
    _check_arguments(path, pixel_size=pixel_size, box=box)
    stacks = None if stack_path is None else Path(stack_path)
    kind = path.suffix.lower()
    if passthrough and kind != ".cs":
        raise InputError(
            f"{path}: passthrough files were given; wanted a .cs file beside them. Leave them out."
        )
    if kind == ".star":
        from trimorph.data.star import read_star

        table = read_star(path, stack_path=stacks, pixel_size=pixel_size, box=box, need_images=need_images)
    elif kind == ".cs":
        from trimorph.data.cryosparc import read_cs

        table = read_cs(
            path,
            stack_path=stacks,
            pixel_size=pixel_size,
            box=box,
            need_images=need_images,
            passthrough=[Path(other) for other in passthrough],
        )
    elif kind in (".mrcs", ".mrc", ".txt"):
        from trimorph.data.cryodrgn import read_images

        table = read_images(path, pixel_size=pixel_size, ctf=None if ctf is None else Path(ctf))
    else:
        raise InputError(
            f'{path}: found the ending "{path.suffix}"; wanted .star (RELION), .cs (cryoSPARC), or .mrcs, '
            ".mrc, .txt (images, with cryoDRGN's poses and ctf .pkl)."
        )
    if poses is not None or ctf is not None:
        from trimorph.data.cryodrgn import with_pickles

        table = with_pickles(
            table, poses=None if poses is None else Path(poses), ctf=None if ctf is None else Path(ctf)
        )
    return table if optics_group is None else _one_group(table, optics_group)


def _one_group(table: ParticleTable, number: int) -> ParticleTable:
    groups = table.columns.groups
    if number not in groups:
        found = f"optics groups {', '.join(map(str, groups))}" if groups else "no optics groups"
        raise InputError(
            f"{table.source}: found {found}; wanted group {number}. Choose another, or leave it out."
        )
    return table.select(table.group == groups.index(number))


def _check_arguments(path: Path, *, pixel_size: float | None, box: int | None) -> None:
    if pixel_size is not None and not 1e-3 <= pixel_size <= 1e4:
        raise InputError(f"{path}: found a pixel size of {pixel_size} Å; wanted from 0.001 to 10000 Å.")
    if box is not None and box < 2:
        raise InputError(f"{path}: found a box of {box} pixels; wanted at least 2.")
