"""Structures that a run moves, against the true structures of the states.

Letters: k states, m particles, g residues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import pearsonr, spearmanr

from trimorph.core.errors import InputError
from trimorph.data.recipes import RecipeSource, recipe_states
from trimorph.data.residues import Residues
from trimorph.data.structure import Structure, read_structure
from trimorph.data.truth import Truth
from trimorph.evaluation.score_list import distance_key
from trimorph.run.run import Run
from trimorph.run.structures_backbone import Backbone
from trimorph.run.structures_distances import Distance
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_quality import superposed_rmsd

Residue = tuple[str, int, str, str]


@dataclass(frozen=True, eq=False)
class StructureScores:
    """Root mean square distances in Å of m particles, and distances between groups, found and true.

    ``rmsd`` is that of one atom a residue as the structures stand in the frame of the maps, ``superposed``
    after the best superposition; ``start_rmsd`` and ``start_superposed`` are those of the structure that
    does not move. ``particles`` (m,) are their numbers in the run; ``distances`` holds found and true ones
    by name, and ``start_distances`` those of the start.
    """

    particles: Int[ndarray, " m"]

    rmsd: Float[ndarray, " m"]
    superposed: Float[ndarray, " m"]
    start_rmsd: Float[ndarray, " m"]
    start_superposed: Float[ndarray, " m"]
    distances: dict[str, tuple[Float[ndarray, " m"], Float[ndarray, " m"]]]
    start_distances: dict[str, float]

    def values(self) -> dict[str, float]:
        """The scores by name; of distances the correlations, and the root mean square error in Å."""
        found = {"rmsd": float(self.rmsd.mean()), "rmsd_superposed": float(self.superposed.mean())}
        for name, (ours, true) in self.distances.items():
            varies = bool(np.ptp(ours) and np.ptp(true))
            found |= {
                distance_key(name, "pearson"): float(pearsonr(ours, true).statistic) if varies else 0.0,
                distance_key(name, "spearman"): float(spearmanr(ours, true).statistic) if varies else 0.0,
                distance_key(name, "error"): _rms(ours - true),
            }
        return found

    def blind(self) -> dict[str, float]:
        """Those of the structure that does not move."""
        found = {
            "rmsd": float(self.start_rmsd.mean()), "rmsd_superposed": float(self.start_superposed.mean())
        }  # fmt: skip
        for name, (_, true) in self.distances.items():
            found |= {distance_key(name, kind): 0.0 for kind in ("pearson", "spearman")}
            found[distance_key(name, "error")] = _rms(self.start_distances[name] - true)
        return found


def true_structures(truth: Truth, files: Sequence[Path]) -> list[Structure] | None:
    """Structures of the states about the middle of their maps: of files, or of a recipe that needs none.

    Files are those that were simulated, in their order, every model being a state. None without files, unless
    the truth is that of the recipe adk.
    Errors: InputError for another number of models than of states.
    """
    if files:
        models = [model for path in files for model in read_structure(path)]
        if len(models) != len(truth.state_names):
            raise InputError(
                f"{', '.join(map(str, files))}: found {len(models)} models; wanted {len(truth.state_names)}, "
                "one for each state of the truth. Pass the structures that were simulated, in their order."
            )
        origin = np.mean([model.position.mean(0) for model in models], axis=0)
    elif truth.source == _FIXED:
        states = recipe_states(_FIXED, RecipeSource())
        models, origin = list(states.structures), states.origin
    else:
        return None
    return [model.move(model.position - origin) for model in models]


_FIXED = "adk"
"""The recipe whose structures are always the same, and those of an entry of the PDB."""


def score_structures(
    run: Run,
    z: Float[ndarray, "n d"],
    state: Int[ndarray, " n"],
    structures: Sequence[Structure],
    *,
    particles: Int[ndarray, " m"],
    distances: Sequence[str] = (),
    epoch: int | None = None,
) -> StructureScores:
    """Move the structure of a run to some particles' latents, and compare it with their states' true ones.

    Residues are matched by chain, number and name. ``distances`` are between groups ("A:118-160 to A:30-59").
    Errors: InputError where fewer than three residues are in both; those of :meth:`MovingStructure.of`.
    """
    moving = MovingStructure.of(run, epoch)
    names, start = residue_names(moving.residues), moving.backbone.position - moving.middle
    found = moving.move_backbone(z[particles]) - moving.middle
    true, ours = _matched(structures, names, moving.backbone.atom, source=str(run.path))
    wanted = true[state[particles]]
    still = np.broadcast_to(start[ours], wanted.shape)
    named = [Distance.parse(text, moving.residues) for text in distances]
    return StructureScores(
        particles=particles,
        rmsd=_rmsd(found[:, ours], wanted),
        superposed=_superposed(found[:, ours], wanted),
        start_rmsd=_rmsd(still, wanted),
        start_superposed=_superposed(still, wanted),
        distances={
            each.name: (each.of(found), _true_distance(each, ours, wanted, name=each.name)) for each in named
        },
        start_distances={each.name: float(each.of(start[None])[0]) for each in named},
    )


def residue_names(residues: Residues) -> list[Residue]:
    """Chain, number, insertion code and name of each residue."""
    first = residues.first
    return [
        (str(chain), int(number), str(letter), str(name))
        for chain, number, letter, name in zip(
            first.chain, first.residue, first.insertion, first.residue_name, strict=True
        )
    ]


def _matched(
    structures: Sequence[Structure], names: list[Residue], atom: tuple[str, ...], *, source: str
) -> tuple[Float[ndarray, "k h 3"], Int[ndarray, " h"]]:
    """Places of the residues that are in the run and in all true structures, by the same atom, and which."""
    known = []
    for structure in structures:
        residues = Residues.of(structure)
        backbone = Backbone.of(structure, residues)
        keys = zip(residue_names(residues), backbone.atom, strict=True)
        known.append(dict(zip(keys, backbone.position, strict=True)))
    wanted = list(zip(names, atom, strict=True))
    ours = np.array([row for row, key in enumerate(wanted) if all(key in each for each in known)], np.int64)
    if len(ours) < 3:
        raise InputError(
            f"{source}: found {len(ours)} residues that are in the run's structure and in all true ones; "
            "wanted three or more, by chain, number and name. Pass the structures that were simulated."
        )
    return np.stack([[each[wanted[row]] for row in ours] for each in known]), ours


def _true_distance(
    distance: Distance, ours: Int[ndarray, " h"], wanted: Float[ndarray, "m h 3"], *, name: str
) -> Float[ndarray, " m"]:
    place = {row: number for number, row in enumerate(ours.tolist())}
    groups = []
    for group in (distance.first, distance.second):
        rows = [place[row] for row in group.tolist() if row in place]
        if len(rows) != len(group):
            raise InputError(
                f'--distance "{name}": found {len(rows)} of {len(group)} residues of a group in all true '
                "structures; wanted all. Choose residues that both have."
            )
        groups.append(wanted[:, rows].mean(1))
    return np.asarray(np.linalg.norm(groups[0] - groups[1], axis=1))


def _rms(values: Float[ndarray, " m"]) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _rmsd(found: Float[ndarray, "m h 3"], true: Float[ndarray, "m h 3"]) -> Float[ndarray, " m"]:
    return np.asarray(np.sqrt(((found - true) ** 2).sum(2).mean(1)))


def _superposed(found: Float[ndarray, "m h 3"], true: Float[ndarray, "m h 3"]) -> Float[ndarray, " m"]:
    return np.concatenate([superposed_rmsd(a[None], b) for a, b in zip(found, true, strict=True)])
