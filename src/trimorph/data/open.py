"""ParticleInput: which particles, from where, at what size; and the stack that it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trimorph.core.symmetry import symmetry_order
from trimorph.data.particles import ParticleStack
from trimorph.data.read import read_particles
from trimorph.data.selection import select_particles
from trimorph.data.symmetry_expansion import expand_by_symmetry
from trimorph.data.tables import ParticleTable


@dataclass(frozen=True)
class ParticleInput:
    """Particles as a user names them: one set of settings for every command that opens some."""

    particles: Path
    """RELION .star, cryoSPARC .cs, or images alone (.mrcs, .mrc, or a .txt list of stacks)."""
    stack: Path | None = None
    """Stack of images to use in place of the one that the file names, or the folder that holds its stacks."""
    source_pixel_size: float | None = None
    """Pixel size in Å of the images as they are stored, where the file is wrong or does not say."""
    poses: Path | None = None
    """cryoDRGN's poses.pkl."""
    ctf: Path | None = None
    """cryoDRGN's ctf.pkl."""
    passthrough: tuple[Path, ...] = ()
    """cryoSPARC's passthrough .cs files, joined by uid."""
    optics_group: int | None = None
    """Keep this optics group alone, by its number in the file."""
    index: Path | None = None
    """Keep these rows: numbers from 0 in a .txt, .npy or .pkl file."""
    subset: Path | None = None
    """Keep the particles that are also in this star or .cs file."""
    half: Literal[1, 2] | None = None
    """Keep one half set."""
    first: int | None = None
    """Keep the first so many particles."""
    symmetry: str = "C1"
    """Point group of the particle, C or D (C3, D2): every particle is taken once in each of its symmetric
    poses, so that each of its asymmetric units is seen in one place and has a latent of its own."""
    box: int | None = None
    """Box in pixels to downsample the images to, by cropping their transforms."""
    pixel_size: float | None = None
    """Pixel size in Å to resample the images to; any value not finer than the images' own."""
    diameter: float | None = None
    """Diameter of the particle in Å; noise is measured outside. Default: 0.85 of the box's side."""
    window: bool = True
    """Fade the images out beyond the particle: from 0.85 (or the diameter) to 0.99 of the box's side."""
    invert: bool = False
    """The protein is dark in the images: invert them."""
    ignore_ctf: bool = False
    """The images have no contrast transfer (ideal projections): take it as 1."""


def open_table(
    particles: ParticleInput, *, need_images: bool = True, box: int | None = None
) -> ParticleTable:
    """Read the table alone: selected, then expanded by the symmetry. Without images it may need a ``box``.

    Errors: FileNotFoundError; those of :func:`read_particles`, :func:`select_particles` and
    :func:`expand_by_symmetry`.
    """
    symmetry_order(particles.symmetry)  # refuses an unknown group before anything is read
    if not particles.particles.exists():
        raise FileNotFoundError(
            f"{particles.particles}: found no such file; wanted particles (.star, .cs or a stack). Check the "
            "name and the folder."
        )
    table = read_particles(
        particles.particles,
        stack_path=particles.stack,
        pixel_size=particles.source_pixel_size,
        optics_group=particles.optics_group,
        poses=particles.poses,
        ctf=particles.ctf,
        passthrough=particles.passthrough,
        need_images=need_images,
        box=box,
    )
    chosen = (particles.index, particles.subset, particles.half, particles.first)
    if any(choice is not None for choice in chosen):
        table = select_particles(
            table,
            index=particles.index,
            subset=particles.subset,
            half=particles.half,
            first=particles.first,
        )
    return expand_by_symmetry(table, particles.symmetry)


def open_particles(particles: ParticleInput) -> ParticleStack:
    """Open the images: table read, particles selected, target size and window settled; no pixel is read yet.

    Errors: those of :func:`open_table` and :class:`ParticleStack`.
    """
    return open_images(open_table(particles), particles)


def open_images(table: ParticleTable, particles: ParticleInput) -> ParticleStack:
    """The stack of a table that was read, at the size and with the treatment that the input asks for."""
    return ParticleStack(
        table,
        box=particles.box,
        pixel_size=particles.pixel_size,
        diameter=particles.diameter,
        window=particles.window,
        invert=particles.invert,
        ignore_ctf=particles.ignore_ctf,
    )
