"""Every score by name: what it is called, which way is better, and what it asks, in a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "near 0"]

GROUPS = ("maps", "latents", "neighbourhoods", "structures")


@dataclass(frozen=True)
class Score:
    """A score: its group, title, unit, which way is better, and a line that says what it asks."""

    group: str
    title: str
    better: Better
    line: str
    unit: str = ""


def _nuisance(name: str, what: str) -> dict[str, Score]:
    """Imbalances with what latents should know nothing of."""
    return {
        f"imbalance_to_{name}": Score(
            "neighbourhoods", f"imbalance latents to {name}", "higher",
            f"1 where particles with near latents do not share their {what}; less: entangled",
        ),
        f"imbalance_from_{name}": Score(
            "neighbourhoods", f"imbalance {name} to latents", "higher",
            f"1 where particles with near {what} do not share their latents; less: entangled",
        ),
    }  # fmt: skip


SCORES: dict[str, Score] = {
    "image_fsc": Score(
        "maps", "per-image FSC", "higher",
        "map decoded at an image's latent with the true map of its state: mean over shells and images",
    ),
    "image_fsc_masked": Score("maps", "per-image FSC, masked", "higher", "the same within a soft mask"),
    "image_area": Score(
        "maps", "per-image area", "higher",
        "area under that curve over cycles/pixel, with CryoBench's shells: mean over images",
    ),
    "image_area_masked": Score(
        "maps", "per-image area, masked", "higher", "the same within a soft mask, as CryoBench's tables"
    ),
    "image_resolution": Score(
        "maps", "resolution of images", "lower", "where the mean per-image FSC falls below 0.5", "Å"
    ),
    "state_fsc": Score(
        "maps", "per-state FSC", "higher",
        "map decoded at a state's middle particle with its true map: mean over shells and states",
    ),
    "state_fsc_masked": Score("maps", "per-state FSC, masked", "higher", "the same within a soft mask"),
    "state_area": Score("maps", "per-state area", "higher", "the same as area, with CryoBench's shells"),
    "state_area_masked": Score(
        "maps", "per-state area, masked", "higher", "the same within a soft mask, as CryoBench's tables"
    ),
    "state_mean_fsc": Score(
        "maps", "per-state FSC at the mean", "higher",
        "map decoded at the mean of a state's latents, which may lie where no particle is",
    ),
    "state_mean_fsc_masked": Score(
        "maps", "per-state FSC at the mean, masked", "higher", "the same within a soft mask"
    ),
    "state_mean_area": Score(
        "maps", "per-state area at the mean", "higher", "the same as area, with CryoBench's shells"
    ),
    "state_mean_area_masked": Score(
        "maps", "per-state area at the mean, masked", "higher", "the same within a soft mask"
    ),
    "mover_state_error": Score(
        "maps", "moving part, of states", "lower",
        "how far what moves is off in maps of the states' middle particles: median", "Å",
    ),
    "mover_error": Score(
        "maps", "moving part, of images", "lower", "the same in maps of single particles: median", "Å"
    ),
    "mover_slope_bias": Score(
        "maps", "range lost in maps", "near 0", "share of the motion's range that maps add or lose"
    ),
    "component_correlation": Score(
        "latents", "correlation of a component", "higher",
        "|Spearman| of the better of two principal components with the true coordinate",
    ),
    "direction_correlation": Score(
        "latents", "correlation along a direction", "higher",
        "|Spearman| along the latent direction that suits the true coordinate best",
    ),
    "angle_correlation": Score(
        "latents", "circular correlation", "higher",
        "|circular correlation| of the latents' angle in the plane that suits the true angle best",
    ),
    "neighbour_correlation": Score(
        "latents", "correlation by neighbours", "higher",
        "of the coordinate with its mean over the 30 nearest latents of other particles",
    ),
    "shown_correlation": Score(
        "latents", "correlation, motion in view", "higher", "of the particles whose views show the motion"
    ),
    "position_error": Score(
        "latents", "error of positions", "lower", "of positions read off a direction by a monotone curve", "Å"
    ),
    "slope_bias": Score(
        "latents", "range lost in positions", "near 0", "share of the range that these positions add or lose"
    ),
    "angle_error": Score(
        "latents", "error of angles", "lower", "median after the best turn and reflection", "rad"
    ),
    "shown_angle_error": Score(
        "latents", "error of angles, motion in view", "lower",
        "of the particles whose views show the motion", "rad",
    ),
    "composition_auc": Score(
        "latents", "compositions told apart", "higher",
        "area under the ROC curve of a logistic regression on the latents, five-fold",
    ),
    "composition_correlation": Score(
        "latents", "correlation within compositions", "higher",
        "|Spearman| with the position within a composition, the worst of them",
    ),
    "accuracy": Score(
        "latents", "classification accuracy", "higher",
        "share of particles that k-means puts with their state, clusters and states matched at best",
    ),
    "adjusted_rand": Score(
        "latents", "adjusted Rand index", "higher", "pairs of particles that clusters and states agree on"
    ),
    "population_error": Score(
        "latents", "population error", "lower",
        "earth mover's distance from the states that the latents tell to the true ones",
    ),
    "kept_neighbours": Score(
        "neighbourhoods", "neighbours kept", "higher",
        "share of the nearest twentieth by latents that is among the nearest twentieth by truth",
    ),
    "imbalance_to_truth": Score(
        "neighbourhoods", "imbalance latents to truth", "lower",
        "0 where near latents have near states, 1 where they tell nothing of them",
    ),
    "imbalance_from_truth": Score(
        "neighbourhoods", "imbalance truth to latents", "lower",
        "0 where near states have near latents; high where latents hold more than the states",
    ),
    **_nuisance("pose", "poses"),
    **_nuisance("ctf", "defocus"),
    **_nuisance("shift", "shifts"),
    "rmsd": Score(
        "structures", "RMSD", "lower", "a particle's structure to its state's, as they stand: mean", "Å"
    ),
    "rmsd_superposed": Score(
        "structures", "RMSD, superposed", "lower", "the same after the best superposition", "Å"
    ),
}  # fmt: skip

_DISTANCE = {
    "pearson": ("Pearson's correlation", "higher", "of the distance in a particle's structure with the true"),
    "spearman": ("Spearman's correlation", "higher", "of the distance in a particle's structure, by rank"),
    "error": ("error", "lower", "root mean square error of the distance"),
}


def distance_key(name: str, kind: str) -> str:
    """Name of a score of a distance between groups of residues."""
    return f"distance_{kind}: {name}"


def score_of(key: str) -> Score:
    """The score of a name.

    >>> score_of("distance_pearson: A:1-9 to B").title, score_of("rmsd").unit
    ("A:1-9 to B, Pearson's correlation", 'Å')
    """
    if key in SCORES:
        return SCORES[key]
    kind, name = key.removeprefix("distance_").split(": ", 1)
    title, better, line = _DISTANCE[kind]
    way: Better = "higher" if better == "higher" else "lower"
    return Score("structures", f"{name}, {title}", way, line, "Å" if kind == "error" else "")


def in_order(keys: set[str]) -> list[str]:
    """Names of scores as they are listed, distances at the end."""
    known = [key for key in SCORES if key in keys]
    return known + sorted(keys - set(known))
