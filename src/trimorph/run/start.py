"""Start: a map that the user has already, in place of the one that the particles give, or a structure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.core.voxel_grid import resample
from trimorph.data.mrc import read_map
from trimorph.data.residues import BeadKind, Residues, read_residues
from trimorph.methods.base import Ingredient

ALIKE = 0.5
"""Fourier shell correlation with the particles' own map to which the scale is taken."""


@dataclass(frozen=True)
class StartSettings:
    """What training starts from."""

    map: Path | None = None
    """Consensus map (MRC) of these particles, at the place and in the hand of their poses. By default the
    particles are back-projected."""
    structure: Path | None = None
    """Atoms (PDB, mmCIF) of the particle, fitted into its map: the Gaussians are the residues, where they
    stand, with one width and scale fitted to the map."""

    ranges: str | None = None
    """Parts of the structure with rigid segments of their own: chains or ranges of residues, such as
    A:1-121=4,A:122-159,B. Behind = is how many segments a part has at most, which are learned; without it
    the part is one rigid segment. Residues in no part stay. By default everything is learned (method
    segments)."""

    beads: BeadKind = "residues"
    """What of the structure scatters: residues, one point for each, or atoms (method segments)."""

    latents_from: Path | None = None
    """Latents that are known, which the model takes as they are: of a run (its folder) on these particles, or
    in a file (.npz, .npy, cryoDRGN's z.pkl) with a row a particle."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that the settings name."""
        return tuple(path for path in (self.map, self.structure, self.latents_from) if path is not None)


def starting_residues(start: StartSettings, wanted: frozenset[Ingredient]) -> Residues | None:
    """The residues to start from, or None where no structure is given.

    Errors: InputError where the method has no use for map or structure; those of :func:`read_residues`.
    """
    if start.map is not None and not wanted & {"mean", "modes"}:
        raise InputError(
            f"{start.map}: found a map for a method that has no use for it with these settings; wanted one "
            "that starts from the mean map. Leave --map out."
        )
    if start.ranges is not None and (start.structure is None or "part" not in wanted):
        raise InputError(
            f'Found --ranges "{start.ranges}" without a structure or for a method without rigid segments; '
            "wanted both. Pass --structure and use the method segments, or leave --ranges out."
        )
    if start.beads != "residues" and (start.structure is None or "beads" not in wanted):
        raise InputError(
            f"Found --beads {start.beads} without a structure or for a method whose Gaussians are residues; "
            "wanted both. Pass --structure and use the method segments, or leave --beads out."
        )
    if start.structure is None and "chain" in wanted:
        raise InputError(
            "Found no structure for the method segments; wanted the atoms that it moves. Pass --structure "
            "with a PDB or mmCIF file of the particle, fitted into its map."
        )
    if start.structure is None:
        return None
    if "points" not in wanted:
        raise InputError(
            f"{start.structure}: found a structure for a method that has no use for it; wanted one whose "
            "model is made of its residues. Leave --structure out, or use the method gaussians or segments."
        )
    residues = read_residues(start.structure)
    if "chain" in wanted and not residues.polymer.any():
        names = ", ".join(dict.fromkeys(residues.first.residue_name.tolist()[:12]))
        raise InputError(
            f"{start.structure}: found no protein or nucleic acid among its residues ({names}); wanted the "
            "chains that segments lie on. Is it the file of a ligand? Pass one with polymers."
        )
    if start.ranges is not None:
        residues.parts(start.ranges, source="--ranges")
    return residues


def map_middle(start: StartSettings, *, box: int, pixel_size: float) -> tuple[float, float, float]:
    """Where the origin voxel lies (Å) in the frame of a map, whose corner is at 0 or where its header says.

    ``box`` and ``pixel_size`` are those of the images as they are stored, whose map is meant by default.
    """
    if start.map is None:
        middle = (box // 2) * pixel_size
        return middle, middle, middle
    values, size, origin = read_map(start.map)
    x, y, z = (corner + (len(values) // 2) * size for corner in origin)
    return x, y, z


def starting_map(
    path: Path, mean: NDArray[np.float32], *, pixel_size: float
) -> tuple[NDArray[np.float32], str]:
    """The map on the images' grid and scale, and a line that says what was done to it.

    ``mean`` is the particles' own back-projection: shells up to the first where both correlate below ALIKE
    give the scale, by least squares. The map may have another box and pixel size.
    Errors: InputError where the map is no cube, or does not resemble the particles' own.
    """
    values, size, _ = read_map(path)
    box = len(mean)
    if len(set(values.shape)) > 1:
        shape = " x ".join(str(length) for length in values.shape)
        raise InputError(f"{path}: found {shape} voxels; wanted a cube. Pad or crop it about its centre.")
    given = resample(torch.tensor(values), size, box=box, pixel_size=pixel_size)
    own = torch.tensor(mean)
    curve = fourier_shell_correlation(given, own)
    below = (curve[1:] < ALIKE).nonzero()
    shells = int(below[0]) if len(below) else len(curve) - 1
    if shells < 3:
        found = ", ".join(f"{value:.2f}" for value in curve[1:4].tolist())
        raise InputError(
            f"{path}: found shells that correlate to {found} with the map of the particles themselves; "
            f"wanted {ALIKE} or more in the first three. Has it another contrast, centre, hand or pixel size "
            f"({size:.4g} Å)? trimorph reconstruct makes the particles' own map: look at both."
        )
    low, reference = (_low_pass(density, shells) for density in (given, own))
    scale = float((low * reference).sum() / (low * low).sum())
    said = (
        f"starting from {path}: {len(values)} voxels of {size:.4g} Å, taken to {box} of {pixel_size:.4g} Å "
        f"and times {scale:.3g}; it agrees with the particles' own map to {box * pixel_size / shells:.1f} Å"
    )
    return (scale * given).numpy(), said


def _low_pass(density: torch.Tensor, shells: int) -> torch.Tensor:
    index = torch.fft.fftfreq(len(density)) * len(density)
    radius = (index[:, None, None] ** 2 + index[:, None] ** 2 + index**2).sqrt()
    return torch.fft.ifftn(torch.fft.fftn(density) * (radius <= shells)).real
