"""Fit: a structure is placed in a map, from any start, and may be bent there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.checks import check_range
from trimorph.core.errors import InputError
from trimorph.core.rigid_search import Pose
from trimorph.core.rotations import rotation_angle
from trimorph.data.residues import Residues
from trimorph.data.structure import Structure, read_structure
from trimorph.data.template import Template
from trimorph.run.bend import Bend, bend
from trimorph.run.fit_figure import draw_fit
from trimorph.run.fit_map import FitMap
from trimorph.run.placement import ENOUGH
from trimorph.run.rigid_fit import RigidFit, rigid_fit

FINE, PIXELS, BENT_PIXELS = 8.0, 3.0, 4.0
"""Resolution in Å that is fitted at by default, or so many voxels where these are wide: more for bending, so
that something finer is held out."""

CLEARLY = 0.03
"""Gain in correlation by which the mirrored map, or another place, is said to be better, or as good."""

FEWEST = 3
"""Residues of protein or nucleic acid that make a structure."""

OUTSIDE = 0.05
"""Part of the atoms that may lie outside the map without a remark."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A structure in a map: x -> rotation (x - centre) + centre + shift, coordinates in Å in the map's frame.

    ``correlation`` is that of the atoms, blurred to ``resolution``, with the map over all its box; ``before``
    that at the place the file gave. ``next_best`` is the correlation of the best fit elsewhere, and
    ``next_turn`` how far it is turned from this one in radians. ``mirror`` is the best in the mirrored map,
    and ``outside`` the part of the atoms that lie outside the map. ``bend`` is what was bent from there on.
    """

    resolution: float
    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]
    centre: NDArray[np.float64]
    correlation: float
    before: float
    next_best: float
    next_turn: float
    mirror: float
    outside: float
    bend: Bend | None = None

    @property
    def angle(self) -> float:
        """Angle of the turn in radians."""
        return float(rotation_angle(torch.tensor(self.rotation)))

    def move(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions (n, 3) of the file, where the rigid fit puts them."""
        return (position - self.centre) @ self.rotation.T + self.centre + self.shift

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found, and what is doubtful about it."""
        x, y, z = self.shift
        said = [
            f"correlation with the map at {self.resolution:.3g} Å: {self.correlation:.3f}, and "
            f"{self.before:.3f} where the file had it",
            f"turned by {np.rad2deg(self.angle):.1f} degrees about its centre, and moved by "
            f"{np.linalg.norm(self.shift):.1f} Å (x {x:.1f}, y {y:.1f}, z {z:.1f})",
            f"the next best place correlates to {self.next_best:.3f}, turned by "
            f"{np.rad2deg(self.next_turn):.0f} degrees from this one; the mirrored map to {self.mirror:.3f}",
        ]
        if self.correlation - self.next_best < CLEARLY:
            said.append(
                "note: the next best place is as good. Is the map symmetric, or the resolution too low to "
                "tell them apart? Try a finer --resolution"
            )
        if self.mirror - self.correlation > CLEARLY:
            said.append(
                "note: the mirrored map fits better: the map's hand is probably wrong. Mirror the map, and "
                "its poses, before anything is built on this"
            )
        if self.outside > OUTSIDE:
            said.append(
                f"note: {100 * self.outside:.0f} % of the atoms lie outside the map. Is its voxel size right?"
            )
        return (*said, *(self.bend.lines if self.bend is not None else ()))


def fit(
    structure: Path | str,
    map_file: Path | str,
    output: Path | str | None = None,
    *,
    resolution: float | None = None,
    flexible: int = 0,
    held_out: Path | str | None = None,
    pixel_size: float | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Fit:
    """Place a structure (PDB, mmCIF) in a map (MRC): turns over all of SO(3), all shifts, then the gradient.

    ``output`` (.cif, .pdb) is written with every atom of the file in the map's frame, whose corner is where
    its header says, and with a picture beside it (.png). ``resolution`` in Å is that of the last refinement,
    by default 8 or three voxels; ``pixel_size`` replaces what the maps' headers say. With ``flexible`` modes
    of its elastic network the structure is bent from there on, and ``held_out``, a map in the same frame
    that is not fitted, judges that (by default the map's own next finer band). ``progress`` is told how far
    the search is, and then the bending.

    Errors: InputError for a structure without polymer or larger than the map, a map without contrast, and
    where the best place correlates to less than 0.3; FileExistsError before anything is computed.
    """
    structure, map_file = Path(structure), Path(map_file)
    targets = [] if output is None else [Path(output), Path(output).with_suffix(".png")]
    _require_new(targets, overwrite=overwrite)
    density = FitMap.read(map_file, pixel_size=pixel_size)
    judge = _judge(held_out, flexible=flexible, pixel_size=pixel_size)
    template, atoms = Template.read(structure), read_structure(structure)[0]
    _require_polymer(atoms, structure)
    residues = Residues.of(atoms)
    check_range("flexible", flexible, least=0, most=3 * len(residues) - 6)
    coarsest = (BENT_PIXELS if flexible else PIXELS) * density.pixel_size
    finest = density.resolution(resolution, default=max(FINE, coarsest))
    density.require_room(atoms.position, structure)
    found = rigid_fit(density, atoms.position, residues.atoms.weight, resolution=finest, progress=progress)
    result = _fit_of(found, density, atoms, resolution=finest)
    if result.correlation < ENOUGH:
        raise InputError(
            f"{structure}: found no place in {map_file} where it correlates to more than "
            f"{result.correlation:.2f} at {finest:.3g} Å; wanted {ENOUGH} or more. Is it the same molecule, "
            f"the voxel size ({density.pixel_size:.4g} Å) right, and the protein positive in the map?"
        )
    placed, every = result.move(atoms.position), result.move(template.position)
    states = {"": placed}
    if flexible:
        bent = bend(
            density,
            atoms.move(placed),
            others=every,
            other_residue=template.residue_of(residues),
            modes=flexible,
            resolution=finest,
            held_out=judge,
            progress=progress,
        )
        result, every = replace(result, bend=bent), bent.position
        states = {"as a rigid body": placed, "bent": bent.atoms}
    if targets:
        template.write(targets[0], [every], overwrite=overwrite)
        draw_fit(targets[1], density, states, atoms.chain, overwrite=overwrite)
    return result


def _fit_of(found: RigidFit, density: FitMap, atoms: Structure, *, resolution: float) -> Fit:
    best: Pose = found.best
    centre = found.centre
    result = Fit(
        resolution=resolution,
        rotation=best.rotation.double().numpy(),
        shift=best.shift.double().numpy() + density.middle - centre,
        centre=centre,
        correlation=best.score,
        before=found.before,
        next_best=found.next_best.score,
        next_turn=float(rotation_angle(found.next_best.rotation @ best.rotation.mT)),
        mirror=found.mirror.score,
        outside=0.0,
    )
    away = ~density.holds(result.move(atoms.position))
    return replace(result, outside=float(away.mean()))


def _require_new(targets: list[Path], *, overwrite: bool) -> None:
    """Raise where a file is there already that is not to be replaced."""
    for target in targets:
        if target.exists() and not overwrite:
            raise FileExistsError(
                f"{target}: the file exists already and was left as it is. Choose another name, or pass "
                "--overwrite."
            )


def _judge(held_out: Path | str | None, *, flexible: int, pixel_size: float | None) -> FitMap | None:
    """The map that judges a flexible fit, if one was given."""
    if held_out is None:
        return None
    if not flexible:
        raise InputError(
            f"{held_out}: found a map to judge the bending, and no bending; wanted both or neither. Pass "
            "--flexible with a number of modes, or leave --held-out out."
        )
    return FitMap.read(Path(held_out), pixel_size=pixel_size)


def _require_polymer(atoms: Structure, source: Path) -> None:
    """Raise where there are fewer than three residues of protein or nucleic acid."""
    backbone = ((atoms.atom_name == "CA") & (atoms.element != "Ca")) | np.isin(atoms.atom_name, ["C1'", "P"])
    places = zip(atoms.chain[backbone], atoms.residue[backbone], atoms.insertion[backbone], strict=True)
    count = len(set(places))
    if count < FEWEST:
        raise InputError(
            f"{source}: found {count} residues of protein or nucleic acid among {len(atoms)} atoms; wanted "
            f"{FEWEST} or more. Give the model of the particle, not of a ligand alone."
        )
