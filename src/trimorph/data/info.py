"""describe: what a particle file holds, whether it fits its images, and what it lacks for training."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.core.noise import NoiseModel
from trimorph.data.header_check import header_remarks
from trimorph.data.open import ParticleInput, open_images, open_table
from trimorph.data.orientations import Coverage, coverage
from trimorph.data.particles import ParticleStack
from trimorph.data.sign_check import SignCheck, check_sign
from trimorph.data.tables import ParticleTable, TableWarning
from trimorph.data.target import target_grid

_HISTOGRAM_BINS = 24


@dataclass(frozen=True)
class Spread:
    """Smallest, median and largest of some values, and their histogram between the ends."""

    low: float
    median: float
    high: float
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class OpticsGroup:
    """Images that were taken alike: ``number`` as in the file, sizes in pixels and Å, kV, mm, fraction."""

    number: int
    particles: int
    box: int
    pixel_size: float
    voltage: float | None
    spherical_aberration: float | None
    amplitude_contrast: float | None


@dataclass(frozen=True, eq=False)
class ParticleInfo:
    """What is known of the particles of a file; None where the file does not say or images are not at hand.

    ``box`` and ``pixel_size`` (Å) are those of the images as they would be used. Defocus and astigmatism (U -
    V) are in Å, ``phase_shift`` in radians, ``shift`` is the length of the shifts in Å. ``missing`` names
    what training lacks; ``remarks`` is what does not fit together or looks wrong.
    """

    source: Path
    particles: int
    stacks: int
    micrographs: int | None
    box: int | None
    pixel_size: float | None
    optics: tuple[OpticsGroup, ...]
    defocus: Spread | None
    astigmatism: Spread | None
    phase_shift: Spread | None
    orientations: Coverage | None
    shift: Spread | None
    half_sets: tuple[int, int] | None
    sign: SignCheck | None
    noise: NoiseModel | None
    missing: tuple[str, ...]
    remarks: tuple[str, ...]


def describe(
    particles: ParticleInput | Path | str, *, figure: Path | None = None, overwrite: bool = False
) -> ParticleInfo:
    """Describe a particle file, and draw it to ``figure`` (.png, .pdf, .svg) if that is given.

    Images need not be at hand; what rests on them is then left out, and said.

    Errors: those of reading the file; FileExistsError where the figure is there, unless ``overwrite``.
    """
    if not isinstance(particles, ParticleInput):
        particles = ParticleInput(Path(particles))
    remarks: list[str] = []
    table = _read(particles, remarks)
    remarks += header_remarks(particles, table)
    stack, sign, noise = _look_at_images(particles, table, remarks)
    remarks += _plausibility(table)
    info = _describe_table(table)
    info = replace(
        info,
        box=None if stack is None else stack.box,
        pixel_size=None if stack is None else stack.pixel_size,
        sign=sign,
        noise=noise,
        missing=_missing(table, images=noise is not None, ignore_ctf=particles.ignore_ctf),
        remarks=tuple(dict.fromkeys(remarks)),
    )
    if figure is not None:
        from trimorph.data.info_figure import draw_info

        draw_info(info, table, stack if noise is not None else None, Path(figure), overwrite=overwrite)
    return info


def _read(particles: ParticleInput, remarks: list[str]) -> ParticleTable:
    """The table, with images at hand if possible; what the reader says becomes a remark."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TableWarning)
        try:
            table = open_table(particles)
        except FileNotFoundError as missing:
            if not particles.particles.exists():
                raise
            remarks.append(str(missing))
            try:
                table = open_table(particles, need_images=False)
            except InputError:  # only the images could say what is missing
                raise missing from None
    remarks += [str(one.message) for one in caught if issubclass(one.category, TableWarning)]
    return table


def _look_at_images(
    particles: ParticleInput, table: ParticleTable, remarks: list[str]
) -> tuple[ParticleStack | None, SignCheck | None, NoiseModel | None]:
    """Open the stack, check the contrast and measure the noise, as far as that goes."""
    stack = None
    try:
        target_grid(table, box=particles.box, pixel_size=particles.pixel_size)
        if not all(table.stacks[number].exists() for number in np.unique(table.stack)):
            return None, None, None
        stack = open_images(table, particles)
        sign = check_sign(stack, ctf=None if particles.ignore_ctf else table.ctf)
        noise = stack.noise
    except InputError as error:
        remarks.append(str(error))
        return stack, None, None
    if sign.verdict == "dark":
        remarks.append(
            "The middle of the particles is darker than their surroundings: the protein seems to be dark. "
            "Pass --invert."
        )
    return stack, sign, noise


def _describe_table(table: ParticleTable) -> ParticleInfo:
    ctf, half = table.ctf, table.half
    return ParticleInfo(
        source=table.source,
        particles=len(table),
        stacks=len(np.unique(table.stack)),
        micrographs=None if table.micrograph is None else len(np.unique(table.micrograph)),
        box=None,
        pixel_size=None,
        optics=_optics(table),
        defocus=None if ctf is None else _spread(0.5 * (ctf.defocus_u + ctf.defocus_v)),
        astigmatism=None if ctf is None else _spread(ctf.defocus_u - ctf.defocus_v),
        phase_shift=None if ctf is None else _spread(ctf.phase_shift),
        orientations=None if table.rotation is None else coverage(table.rotation),
        shift=None if table.shift is None else _spread(np.hypot(*table.shift.T)),
        half_sets=None if half is None else (int((half == 1).sum()), int((half == 2).sum())),
        sign=None,
        noise=None,
        missing=(),
        remarks=(),
    )


def _optics(table: ParticleTable) -> tuple[OpticsGroup, ...]:
    numbers, first, count = np.unique(table.group, return_index=True, return_counts=True)
    known = table.columns.groups
    return tuple(
        OpticsGroup(
            number=known[group] if group < len(known) else int(group) + 1,
            particles=int(count[place]),
            box=int(table.box[first[place]]),
            pixel_size=float(table.pixel_size[first[place]]),
            voltage=None if table.ctf is None else float(table.ctf.voltage[first[place]]),
            spherical_aberration=(
                None if table.ctf is None else float(table.ctf.spherical_aberration[first[place]])
            ),
            amplitude_contrast=(
                None if table.ctf is None else float(table.ctf.amplitude_contrast[first[place]])
            ),
        )
        for place, group in enumerate(numbers)
    )


def _spread(values: NDArray[np.float64]) -> Spread:
    counts, _ = np.histogram(values, bins=_HISTOGRAM_BINS)
    return Spread(float(values.min()), float(np.median(values)), float(values.max()), counts)


def _missing(table: ParticleTable, *, images: bool, ignore_ctf: bool) -> tuple[str, ...]:
    """What every method is trained on and the file does not have."""
    there = {
        "images": images,
        "poses": table.rotation is not None,
        "CTF": ignore_ctf or table.ctf is not None,
    }
    return tuple(name for name, found in there.items() if not found)


def _plausibility(table: ParticleTable) -> list[str]:
    """Values that are possible, and hardly meant."""
    said = []
    if table.ctf is not None:
        defocus = 0.5 * (table.ctf.defocus_u + table.ctf.defocus_v)
        odd = int(((defocus < 1000) | (defocus > 60000)).sum())
        if odd:
            said.append(f"{odd} of {len(table)} images have a mean defocus outside 1,000 to 60,000 Å.")
        voltage = np.unique(table.ctf.voltage)
        if not set(voltage) <= {80.0, 100.0, 120.0, 200.0, 300.0}:
            said.append(f"Voltages of {', '.join(f'{one:g}' for one in voltage)} kV are unusual.")
    if table.shift is not None:
        far = np.abs(table.shift).max(axis=1) > 0.25 * table.box * table.pixel_size
        if far.any():
            said.append(
                f"{int(far.sum())} of {len(table)} particles are shifted by more than a quarter of the box. "
                "Is the pixel size right?"
            )
    return said
