"""Agreement of replicates: of the states that they find, and of the particles that they select.

Letters: r replicates, n particles.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from trimorph.analysis.states import States, states_of
from trimorph.core.errors import InputError
from trimorph.core.label_agreement import LabelMatch, match_labels
from trimorph.data.npy import read_npy
from trimorph.data.open import open_table
from trimorph.data.pickles import read_arrays
from trimorph.data.selection import particle_keys
from trimorph.run.embedding import Embedding, read_embedding
from trimorph.run.given_latents import refuse_other_particles

SHUFFLES = 20
"""Random orders of the labels by which agreement by chance is told."""


@dataclass(frozen=True, eq=False)
class StateAgreement:
    """States of replicates, and for each two of them how their labels match.

    ``pairs`` and ``matches`` are all pairs of replicates. ``chance`` is the agreement that labels of these
    sizes have when they are shuffled.
    """

    names: tuple[str, ...]
    states: tuple[States, ...]
    pairs: tuple[tuple[int, int], ...]
    matches: tuple[LabelMatch, ...]
    chance: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Agreement averaged over the pairs."""
        return float(np.mean([match.agreement for match in self.matches]))

    def everywhere(self) -> Bool[ndarray, " n"]:
        """Which particles have, in every replicate, the label that belongs to theirs in the first."""
        first = self.states[0].label
        kept = np.ones(len(first), bool)
        for (one, other), match in zip(self.pairs, self.matches, strict=True):
            if one == 0:
                partner = {int(match.first[i]): int(match.second[j]) for i, j in match.pairs}
                wanted = np.array([partner.get(label, -2) for label in first.tolist()])
                kept &= wanted == self.states[other].label
        return kept


@dataclass(frozen=True, eq=False)
class SelectionAgreement:
    """How many particles files hold, each, all of them, any of them, and each two."""

    names: tuple[str, ...]
    number: tuple[int, ...]
    intersection: int
    union: int
    pairs: tuple[tuple[int, int], ...]
    common: tuple[int, ...]
    either: tuple[int, ...]

    @property
    def jaccard(self) -> float:
        """Particles in all files over those in any."""
        return self.intersection / self.union if self.union else 1.0


def states_agree(runs: Sequence[Path | str], *, states: str = "mixture:5", seed: int = 0) -> StateAgreement:
    """Find states in the latents of each replicate, and match their labels so that most particles agree.

    Replicates are folders of runs, or files of latents, of the same particles in the same order; ``states``
    is as of :func:`find_states`. The agreement is the share of particles with the same state, labels being
    permuted to match. Source: Zhong et al. 2021 (cryoDRGN), Methods, "Reproducibility analysis".

    Errors: InputError for fewer than two replicates, and for other particles.
    """
    paths = [Path(one) for one in runs]
    if len(paths) < 2:
        raise InputError(f"Found {len(paths)} replicates; wanted two or more to compare.")
    embeddings = [read_embedding(path) for path in paths]
    _refuse_others(embeddings)
    found = tuple(states_of(one.mean, states, seed=seed) for one in embeddings)
    pairs = tuple(combinations(range(len(paths)), 2))
    matches = tuple(match_labels(found[one].label, found[other].label) for one, other in pairs)
    chance = tuple(_by_chance(found[one].label, found[other].label, seed) for one, other in pairs)
    return StateAgreement(tuple(map(str, paths)), found, pairs, matches, chance)


def selections_agree(files: Sequence[Path | str]) -> SelectionAgreement:
    """How far selections hold the same particles.

    They are files of row numbers (.txt, .npy, .pkl) of one particle file, star files, whose image names are
    compared, or .cs files, whose uids are.   Errors: InputError for fewer than two, or of different kinds.
    """
    paths = [Path(one) for one in files]
    if len(paths) < 2:
        raise InputError(f"Found {len(paths)} selections; wanted two or more to compare.")
    kinds = {
        path.suffix.lower() if path.suffix.lower() in (".star", ".cs") else "row numbers" for path in paths
    }
    if len(kinds) > 1:
        raise InputError(
            f"Found {' and '.join(sorted(kinds))}; wanted selections of one kind, as particles have other "
            "names in each. Write them anew with: trimorph select"
        )
    held: list[set[Hashable]] = [particle_keys(path) for path in paths]
    pairs = tuple(combinations(range(len(paths)), 2))
    return SelectionAgreement(
        names=tuple(map(str, paths)),
        number=tuple(map(len, held)),
        intersection=len(set.intersection(*held)),
        union=len(set.union(*held)),
        pairs=pairs,
        common=tuple(len(held[one] & held[other]) for one, other in pairs),
        either=tuple(len(held[one] | held[other]) for one, other in pairs),
    )


def are_selections(paths: Sequence[Path]) -> bool:
    """Whether files are selections of particles, as against runs or latents: row numbers in one dimension.

    Errors: FileNotFoundError; InputError where some are and others not.
    """
    told = [_is_selection(path) for path in paths]
    if len(set(told)) > 1:
        one, other = paths[told.index(True)], paths[told.index(False)]
        raise InputError(
            f"Found {one}, a selection, and {other}, which is a run or has latents; wanted either to compare."
        )
    return bool(told) and told[0]


def _is_selection(path: Path) -> bool:
    if path.suffix.lower() in (".star", ".cs", ".txt"):
        return True
    if path.is_dir() or path.suffix.lower() not in (".npy", ".pkl"):
        return False
    if not path.is_file():
        raise FileNotFoundError(f"{path}: found no such file; wanted a selection, a run or latents.")
    npy = path.suffix.lower() == ".npy"
    found = read_npy(path, wanted="row numbers or latents") if npy else read_arrays(path)
    return np.ndim(found) == 1 and np.asarray(found).dtype.kind in "iub"


def _refuse_others(embeddings: Sequence[Embedding]) -> None:
    """Raise InputError where replicates are not of the same particles, as far as they tell."""
    numbers = {len(one) for one in embeddings}
    if len(numbers) > 1:
        told = ", ".join(f"{len(one)} in {one.source}" for one in embeddings)
        raise InputError(f"Found latents of {told}; wanted the same particles in all replicates.")
    runs = [one.run for one in embeddings if one.run is not None]
    for run in runs[1:]:
        refuse_other_particles(run, open_table(runs[0].recipe.data))


def _by_chance(first: Int[ndarray, " n"], second: Int[ndarray, " n"], seed: int) -> float:
    rng = np.random.default_rng(seed)
    return float(np.mean([match_labels(first, rng.permutation(second)).agreement for _ in range(SHUFFLES)]))
