"""Bend: what a flexible fit did to a structure, and what data that it did not see say to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.core.point_band import BandAgreement, band_agreement
from trimorph.core.point_field import FINEST
from trimorph.data.residues import Residues
from trimorph.data.structure import Structure
from trimorph.run.fit_map import FitMap
from trimorph.run.flexible_fit import Body, flexible_fit
from trimorph.run.kept_geometry import KeptGeometry
from trimorph.run.rigid_fit import LAST_SAMPLING

FINER = 2.25
"""Frequency, times the resolution, to which a band is held out: the fit looks up to FINEST."""

COARSER = 0.5
"""Frequency, times the resolution, from which another map is compared."""

SURE = 3.0
"""Errors by which an agreement must differ to be said to."""


@dataclass(frozen=True, eq=False)
class Bend:
    """A structure bent along ``modes``: ``atoms`` (n, 3) and ``position`` of every atom of its file, in Å.

    Correlations are those of the atoms at the ``resolution``; ``moved`` and ``furthest`` (Å) tell how far the
    residues are from the rigid fit, one atom of each, root mean square and at most, and ``stretch`` (Å) the
    largest change of a distance between neighbours in a chain. ``held_out`` compares rigid and bent
    structure with a ``band`` (Å) that was not fitted, if there is one.
    """

    modes: int
    resolution: float
    atoms: NDArray[np.float64]
    position: NDArray[np.float64]
    before: float
    correlation: float
    moved: float
    furthest: float
    furthest_residue: str
    stretch: float
    stretched_residue: str
    band: tuple[float, float]
    held_out: BandAgreement | None

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found, and what is doubtful about it."""
        if not self.moved:
            return (f"bending along {self.modes} modes gains nothing: left as the rigid body",)
        return (
            f"bent along {self.modes} modes: correlation {self.correlation:.3f} at {self.resolution:.3g} Å, "
            f"and {self.before:.3f} as a rigid body",
            f"residues moved by {self.moved:.1f} Å from the rigid fit (root mean square), and "
            f"{self.furthest_residue} most, by {self.furthest:.1f} Å",
            f"distances between neighbours in a chain changed by {self.stretch:.2f} Å at most, behind "
            f"{self.stretched_residue}",
            *self._verdict,
        )

    @property
    def _verdict(self) -> tuple[str, ...]:
        held, (coarse, fine) = self.held_out, self.band
        if held is None:
            return (
                f"note: the map holds nothing finer than {coarse:.3g} Å, to which it was fitted: it cannot "
                "be told whether this is more than noise. Pass a coarser --resolution, or the other half "
                "map with --held-out",
            )
        said = (
            f"held out, {coarse:.3g} to {fine:.3g} Å: correlation {held.second:.3f}, and {held.first:.3f} as "
            f"a rigid body (standard error of the gain {held.error:.3f})"
        )
        if held.gain > SURE * held.error:
            return (f"{said}: what was not fitted agrees better, too",)
        if held.gain < -SURE * held.error:
            return (
                said,
                "note: what was not fitted agrees less than before: this follows noise, or the density of "
                "something else. Use fewer modes, or none",
            )
        return (
            said,
            "note: what was not fitted agrees neither more nor less: it cannot be told whether this is more "
            "than noise",
        )


def bend(
    density: FitMap,
    atoms: Structure,
    *,
    others: NDArray[np.float64],
    other_residue: NDArray[np.int64],
    modes: int,
    resolution: float,
    held_out: FitMap | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Bend:
    """Bend a structure that lies in a map; ``others`` (m, 3) go along, each with a residue.

    Errors: those of :func:`flexible_fit`.
    """
    residues = Residues.of(atoms)
    chosen = _nodes(atoms, residues)
    weight = torch.tensor(residues.atoms.weight).float()
    points = np.concatenate([atoms.position, others]) - density.middle
    owner = np.concatenate([residues.atoms.residue, other_residue])
    start = Body(
        node=torch.tensor(atoms.position[chosen] - density.middle).float(),
        point=torch.tensor(points).float(),
        owner=torch.as_tensor(owner),
    )
    geometry = KeptGeometry.of(start.node, torch.as_tensor(residues.chains))
    end = flexible_fit(
        density, start, weight, geometry, modes=modes, resolution=resolution, progress=progress
    )
    field = density.field(resolution, margin=resolution, sampling=LAST_SAMPLING, mirrored=False)
    before, after = (float(field.correlation(body.point[: len(atoms)], weight)) for body in (start, end))
    length = (end.node - start.node).norm(dim=1)
    stretch = geometry.changes(end.node).abs()
    worst = int(stretch.argmax()) if len(stretch) else 0
    place = end.point.double().numpy() + density.middle
    moved = np.stack([atoms.position, place[: len(atoms)]])
    band, agreement = _held_out(density, moved, weight, resolution=resolution, other=held_out)
    return Bend(
        modes=modes,
        resolution=resolution,
        atoms=place[: len(atoms)],
        position=place[len(atoms) :],
        before=before,
        correlation=after,
        moved=float(length.square().mean().sqrt()),
        furthest=float(length.max()),
        furthest_residue=_name(residues, int(length.argmax())),
        stretch=float(stretch[worst]) if len(stretch) else 0.0,
        stretched_residue=_name(residues, int(geometry.links[worst, 0]) if len(stretch) else 0),
        band=band,
        held_out=agreement,
    )


def _nodes(atoms: Structure, residues: Residues) -> NDArray[np.int64]:
    """Number of the atom that stands for each residue: CA, C1' or P, or the first there is."""
    owner = residues.atoms.residue
    rank = np.full(len(atoms), 3)
    for number, name in enumerate(("CA", "C1'", "P")):
        rank[(atoms.atom_name == name) & (atoms.element == name[0])] = number
    order = np.lexsort([rank, owner])
    return order[np.searchsorted(owner[order], np.arange(len(residues)))]


def _held_out(
    density: FitMap,
    position: NDArray[np.float64],
    weight: torch.Tensor,
    *,
    resolution: float,
    other: FitMap | None,
) -> tuple[tuple[float, float], BandAgreement | None]:
    """The band in Å that was not fitted, of this map or of another, and what it says to two structures."""
    edges = (FINEST, FINER) if other is None else (COARSER, FINEST)
    low, high = (edge / resolution for edge in edges)
    seen = density if other is None else other
    high = min(high, 0.5 / seen.pixel_size)
    agreement = band_agreement(
        seen.cube,
        seen.pixel_size,
        position=torch.tensor(position - seen.middle).float(),
        weight=weight,
        band=(low, high),
    )
    return (1 / low, 1 / high), agreement


def _name(residues: Residues, number: int) -> str:
    first = residues.first
    return f"{first.chain[number]}:{first.residue[number]}{first.insertion[number]}"
