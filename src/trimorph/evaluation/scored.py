"""Scored: one candidate against the truth of its particles, by latents, maps and structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.data.structure import Structure
from trimorph.data.truth import Truth
from trimorph.evaluation.candidate import Candidate
from trimorph.evaluation.decoders import Maps
from trimorph.evaluation.latent_scores import LatentScores, score_latents, spread
from trimorph.evaluation.map_scores import Curves, Progress, image_curves, state_latents
from trimorph.evaluation.mover import score_mover
from trimorph.evaluation.structure_scores import StructureScores, score_structures
from trimorph.evaluation.true_maps import TrueMaps
from trimorph.evaluation.truth_spaces import rows_of
from trimorph.methods.structure_method import StructureMethod

STRUCTURES = 1000
"""Particles whose structures are compared at most."""


@dataclass(frozen=True, eq=False)
class Scored:
    """One candidate's scores by name, standard errors of those of a sample of images, and what they are of.

    ``truth`` has the rows of its particles. ``particles`` (v,) are those whose maps were compared, by their
    numbers among the candidate's.
    """

    candidate: Candidate
    truth: Truth
    values: dict[str, float]
    errors: dict[str, float]
    latents: LatentScores
    particles: Int[ndarray, " v"]
    images: Curves | None = None
    states: Curves | None = None
    state_means: Curves | None = None
    structures: StructureScores | None = None

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.candidate.name


def score_candidate(
    candidate: Candidate,
    known: Truth,
    true_maps: TrueMaps | None,
    structures: list[Structure] | None,
    *,
    images: int | None,
    distances: Sequence[str],
    progress: Progress | None,
) -> Scored:
    """Score a candidate's latents, its maps where there are true ones, and its structures.

    ``images`` says of how many particles maps are compared, and of how many states at most; None of all.
    """
    truth, z = rows_of(known, candidate.rows), candidate.z
    latents = score_latents(z, truth)
    values, errors = dict(latents.values), dict[str, float]()
    curves: dict[str, Curves] = {}
    particles = np.zeros(0, np.int64)
    if candidate.maps is not None and true_maps is not None:
        particles = _asked(candidate.maps, len(z), images)
        curves = _curves(candidate, truth, true_maps, particles, progress)
        for name, found in curves.items():
            new, uncertain = curve_values(found, name, share=len(particles) / len(z))
            values |= new
            errors |= uncertain if name == "image" else {}
        if truth.motion is not None and candidate.maps.particles is None:
            values |= _mover_values(z, candidate.maps, truth, len(particles))
    moved = None
    if structures is not None:
        moved = _moved(candidate, truth, structures, distances)
    if moved is not None:
        values |= moved.values()
    return Scored(
        candidate, truth, values, errors, latents, particles,
        curves.get("image"), curves.get("state"), curves.get("state_mean"), moved,
    )  # fmt: skip


def moves_structure(candidate: Candidate) -> bool:
    """Whether it is a run whose method moves a structure."""
    run = candidate.embedding.run
    return run is not None and isinstance(run.method(candidate.embedding.epoch), StructureMethod)


def _moved(
    candidate: Candidate, truth: Truth, structures: list[Structure], distances: Sequence[str]
) -> StructureScores | None:
    """Scores of the structures of a run that moves one."""
    run, epoch = candidate.embedding.run, candidate.embedding.epoch
    if run is None or not moves_structure(candidate):
        return None
    particles = spread(len(candidate.z), STRUCTURES)
    return score_structures(
        run, candidate.z, truth.state, structures, particles=particles, distances=distances, epoch=epoch
    )


def _asked(maps: Maps, count: int, images: int | None) -> Int[ndarray, " v"]:
    """Particles whose maps are compared: those that have one, or all, spread evenly."""
    allowed = np.arange(count) if maps.particles is None else maps.particles
    return allowed[spread(len(allowed), images or len(allowed))]


def _curves(
    candidate: Candidate,
    truth: Truth,
    true_maps: TrueMaps,
    particles: Int[ndarray, " v"],
    progress: Progress | None,
) -> dict[str, Curves]:
    maps, z = candidate.maps, candidate.z
    assert maps is not None

    def asked(z: Float[ndarray, "v d"], state: Int[ndarray, " v"]) -> Curves:
        return image_curves(z, state, maps.volume, true_maps, progress=progress)

    found = {"image": asked(z[particles], truth.state[particles])}
    if maps.particles is None:
        states, mean, middle = state_latents(z, truth)
        some = spread(len(states), len(particles))
        found["state"] = asked(middle[some], states[some])
        found["state_mean"] = asked(mean[some], states[some])
    return found


def curve_values(
    curves: Curves, name: str, *, share: float = 1.0
) -> tuple[dict[str, float], dict[str, float]]:
    """Means over the curves, and their standard errors as those of a sample that is such a share of all.

    The error is s / sqrt(v) sqrt(1 - share), s being the standard deviation of v curves.
    """
    series = {
        f"{name}_fsc": curves.mean, f"{name}_fsc_masked": curves.masked_mean,
        f"{name}_area": curves.area, f"{name}_area_masked": curves.masked_area,
    }  # fmt: skip
    count = len(curves.state)
    rest = max(1 - share, 0.0) ** 0.5 / max(count - 1, 1) ** 0.5
    errors = {key: float(value.std()) * rest for key, value in series.items()}
    values = {key: float(value.mean()) for key, value in series.items()}
    if name == "image":
        values["image_resolution"] = curves.resolution
    return values, errors


def _mover_values(z: Float[ndarray, "n d"], maps: Maps, truth: Truth, particles: int) -> dict[str, float]:
    found = score_mover(z, maps.volume, truth, particles=particles)
    values = {"mover_state_error": found.state_error, "mover_error": found.error}
    return values if found.slope_bias is None else values | {"mover_slope_bias": found.slope_bias}
