"""Quality of moved structures: new clashes, what became of bonds and angles, how far all is from the start.

Letters: v structures, g residues, b bonds, a angles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.methods.chain_priors import CLASH, LOOKED_AT, close_pairs
from trimorph.run.structures_backbone import Backbone

STRAINED, TORN = 0.5, 1.5
"""Change in Å of the distance between neighbours from which a chain is said to be strained, and torn."""

BENT = 30.0
"""Change in degrees of an angle between three neighbours from which a chain is said to be bent sharply."""


@dataclass(frozen=True, eq=False)
class Quality:
    """Measures of structures against the start.

    ``clashes`` counts pairs of residues closer than CLASH, not next to each other, that were not so close at
    the start; ``closest`` is the distance of the closest of them in Å, or NaN, and ``closest_pair`` who they
    are. ``bond_rms`` and ``bond_most`` are changes of distance (Å) between neighbours in a chain,
    ``worst_bond`` the first residue of the pair that changes most, or -1; ``angle_rms`` and ``angle_most``
    changes of the angle at a residue between its neighbours (degrees). ``rmsd`` is the root mean square
    distance of residues to the start in Å, ``rmsd_fitted`` that after superposition.
    """

    clashes: Int[ndarray, " v"]
    closest: Float[ndarray, " v"]
    closest_pair: Int[ndarray, "v 2"]
    bond_rms: Float[ndarray, " v"]
    bond_most: Float[ndarray, " v"]
    worst_bond: Int[ndarray, " v"]
    angle_rms: Float[ndarray, " v"]
    angle_most: Float[ndarray, " v"]
    rmsd: Float[ndarray, " v"]
    rmsd_fitted: Float[ndarray, " v"]

    def __len__(self) -> int:
        return len(self.clashes)

    @classmethod
    def of(cls, moved: Float[ndarray, "v g 3"], start: Backbone) -> Quality:
        """Measures of structures whose residues stand at ``moved``."""
        clashes, closest, pair = new_clashes(moved, start.position)
        change = np.abs(bond_lengths(moved, start.bonds) - bond_lengths(start.position, start.bonds))
        turned = np.abs(bond_angles(moved, start.angles) - bond_angles(start.position, start.angles))
        away = moved - start.position
        worst = change.argmax(1) if len(start.bonds) else np.full(len(moved), -1)
        return cls(
            clashes=clashes,
            closest=closest,
            closest_pair=pair,
            bond_rms=_rms(change),
            bond_most=change.max(1, initial=0.0),
            worst_bond=start.bonds[worst, 0] if len(start.bonds) else worst,
            angle_rms=_rms(turned),
            angle_most=turned.max(1, initial=0.0),
            rmsd=np.sqrt((away**2).sum(2).mean(1)),
            rmsd_fitted=superposed_rmsd(moved, start.position),
        )

    @classmethod
    def together(cls, parts: list[Quality]) -> Quality:
        """The measures of several sets of structures, one after the other."""
        names = list(cls.__dataclass_fields__)
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def verdict(self, names: list[str]) -> str:
        """What is to be said of all of them in plain words; ``names`` are those of the residues.

        >>> bonds, place = np.array([[0, 1]]), np.arange(9.0).reshape(3, 3)
        >>> start = Backbone(place, ("CA",) * 3, bonds, np.zeros((0, 3), int))
        >>> Quality.of(start.position[None], start).verdict(["A:1", "A:2", "A:3"])
        'no new clashes, chains hold together (their links change by 0.00 Å at most), no sharp bends'
        """
        said = ["no new clashes"]
        hit = np.flatnonzero(self.clashes)
        if len(hit):
            worst = int(hit[self.closest[hit].argmin()])
            first, second = (names[number] for number in self.closest_pair[worst])
            some = "the structure" if len(self) == 1 else f"{len(hit)} of {len(self)} structures"
            said = [
                f"new clashes in {some}, {int(self.clashes.max())} at most, the closest {first} and {second} "
                f"at {self.closest[worst]:.1f} Å"
            ]
        most = int(self.bond_most.argmax())
        where = names[self.worst_bond[most]] if self.bond_most[most] > STRAINED else ""
        length = f"{self.bond_most[most]:.2f} Å"
        said.append(
            f"chains hold together (their links change by {length} at most)"
            if not where
            else f"a chain is strained behind {where}, by {length}"
            if self.bond_most[most] <= TORN
            else f"a chain is torn behind {where}, by {length}"
        )
        bend = float(self.angle_most.max())
        said.append("no sharp bends" if bend <= BENT else f"a sharp bend, by {bend:.0f} degrees")
        return ", ".join(said)


def new_clashes(
    moved: Float[ndarray, "v g 3"], start: Float[ndarray, "g 3"]
) -> tuple[Int[ndarray, " v"], Float[ndarray, " v"], Int[ndarray, "v 2"]]:
    """Pairs not next to each other that are closer than CLASH and were not at the start.

    Their number, the distance of the closest (Å, or NaN), and its residues (or -1).
    """
    count, closest, pair = (
        np.zeros(len(moved), int),
        np.full(len(moved), np.nan),
        np.full((len(moved), 2), -1),
    )
    step = max(1, LOOKED_AT // len(start))
    for first in range(0, len(moved), step):
        part = moved[first : first + step]
        where, pairs = (found.numpy() for found in close_pairs(torch.as_tensor(part)))
        new = np.linalg.norm(start[pairs[:, 0]] - start[pairs[:, 1]], axis=1) >= CLASH
        where, pairs = where[new], pairs[new]
        apart = np.linalg.norm(part[where, pairs[:, 0]] - part[where, pairs[:, 1]], axis=1)
        order = np.argsort(-apart, kind="stable")  # the closest is written last
        closest[first + where[order]], pair[first + where[order]] = apart[order], pairs[order]
        count += np.bincount(first + where, minlength=len(moved))
    return count, closest, pair


def bond_lengths(place: Float[ndarray, "*v g 3"], bonds: Int[ndarray, "b 2"]) -> Float[ndarray, "*v b"]:
    """Distances of pairs in Å."""
    return np.linalg.norm(place[..., bonds[:, 1], :] - place[..., bonds[:, 0], :], axis=-1)


def bond_angles(place: Float[ndarray, "*v g 3"], angles: Int[ndarray, "a 3"]) -> Float[ndarray, "*v a"]:
    """Angles at the middle of triples in degrees.

    >>> bond_angles(np.array([[1.0, 0, 0], [0, 0, 0], [0, 2, 0]]), np.array([[0, 1, 2]])).tolist()
    [90.0]
    """
    back = place[..., angles[:, 0], :] - place[..., angles[:, 1], :]
    forth = place[..., angles[:, 2], :] - place[..., angles[:, 1], :]
    across = np.linalg.norm(np.cross(back, forth), axis=-1)
    return np.rad2deg(np.arctan2(across, (back * forth).sum(-1)))


def superposed_rmsd(moved: Float[ndarray, "v g 3"], start: Float[ndarray, "g 3"]) -> Float[ndarray, " v"]:
    """Root mean square distance in Å after the best superposition, by proper rotations alone.

    With the singular values s of sum_i a_i b_i^T about the centres: sum |a|^2 + |b|^2 - 2 (s1 + s2 +- s3).
    Source: Kabsch, Acta Cryst. A 34 (1978) 827.
    """
    a, b = moved - moved.mean(1, keepdims=True), start - start.mean(0)
    u, values, v = np.linalg.svd(np.einsum("vgi,gj->vij", a, b))
    values[:, 2] *= np.sign(np.linalg.det(u) * np.linalg.det(v))
    square = (a**2).sum((1, 2)) + (b**2).sum() - 2 * values.sum(1)
    return np.sqrt(np.maximum(square, 0) / len(start))


def _rms(values: Float[ndarray, "v n"]) -> Float[ndarray, " v"]:
    return np.sqrt((values**2).mean(1)) if values.shape[1] else np.zeros(len(values))
