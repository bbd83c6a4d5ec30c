"""Seeds: how alike models of one half set are that differ in chance alone, beside those of both half sets.

Letters: n particles, d latent components, k modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from trimorph.data.open import open_particles
from trimorph.evaluation.validate_cross import AT_ONCE, MOST, canonical, encoded
from trimorph.evaluation.validate_halves import Halves, has_encoder
from trimorph.evaluation.validate_images import SeenImages
from trimorph.evaluation.validate_modes import decoded_modes, shared_span
from trimorph.methods.poses import at_refined_poses
from trimorph.run.run import Run

POOR = 0.7
"""Agreement of seeds below which training is said to leave most to chance: half of the variance is shared."""


@dataclass(frozen=True)
class SeedPair:
    """Two models, each by its half set and seed, both from 1, and how alike they are.

    ``maps`` is the cosine of what the maps of one differ by with the space of the other's modes, over both
    ways; ``latents`` the first canonical correlation of what both say of the same images, NaN without an
    encoder.
    """

    first: tuple[int, int]
    second: tuple[int, int]
    maps: float
    latents: float

    @property
    def together(self) -> bool:
        """Whether both saw the same particles."""
        return self.first[0] == self.second[0]

    def row(self) -> dict[str, object]:
        """A row of seeds.csv."""
        return {
            "half_set": self.first[0],
            "seed": self.first[1],
            "other_half_set": self.second[0],
            "other_seed": self.second[1],
            "maps": self.maps,
            "latents": self.latents,
        }


@dataclass(frozen=True, eq=False)
class _Model:
    """Modes of what a model decodes, how much its maps differ along each, and its latents of some images."""

    name: tuple[int, int]
    modes: Float[Tensor, "k c c c"]
    variance: Float[ndarray, " k"]
    latents: Float[ndarray, "n d"] | None


def compare_seeds(
    run: Run, halves: Halves, images: SeenImages, *, modes: int, epoch: int | None
) -> tuple[SeedPair, ...]:
    """All pairs of models of both half sets."""
    radius = float(images.disk.radius[-1])
    models = []
    for side, own in enumerate(halves, start=1):
        for seed, model in enumerate(own, start=1):
            found, place, _ = decoded_modes(
                model, count=modes, box=images.box, pixel_size=images.pixel_size, radius=radius
            )
            models.append(_Model((side, seed), found, place.var(0), _latents(run, model, epoch)))
    return tuple(_pair(first, second) for first, second in combinations(models, 2))


def seed_line(pairs: Sequence[SeedPair]) -> str:
    """What seeds of one half set, and both half sets, agree to, and what that means."""
    same, other = ([pair for pair in pairs if pair.together is kind] for kind in (True, False))
    told = [f"what their maps differ by to {_range(same, 'maps')}, {_range(other, 'maps')} between half sets"]
    if not any(np.isnan(pair.latents) for pair in pairs):
        told.append(f"latents to {_range(same, 'latents')}, {_range(other, 'latents')} between half sets")
    own, both = [pair.maps for pair in same], [pair.maps for pair in other]
    if np.mean(own) < POOR:
        meaning = (
            "training leaves much to chance, so that half sets cannot agree better, whatever the particles "
            "say. Train for longer, or with fewer latent components"
        )
    elif np.mean(both) >= min(own):
        meaning = "half sets agree as well as seeds do, so that what they disagree on is training"
    else:
        meaning = (
            "half sets agree less than seeds do, so that the rest is due to the particles: each half has too "
            "few of them, or what it found is its noise"
        )
    return f"seeds: models of one half set agree on {'; on '.join(told)}. So {meaning}"


def _range(pairs: Sequence[SeedPair], name: str) -> str:
    values = [getattr(pair, name) for pair in pairs]
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _pair(first: _Model, second: _Model) -> SeedPair:
    ways = []
    for one, other in ((first, second), (second, first)):
        inside, _ = shared_span(one.modes, other.modes)
        ways.append(float((one.variance * inside**2).sum() / max(one.variance.sum(), 1e-300)))
    link = float("nan")
    if first.latents is not None and second.latents is not None:
        link = canonical(first.latents, second.latents)[0]
    return SeedPair(first.name, second.name, float(np.mean(ways)) ** 0.5, link)


def _latents(run: Run, model: Run, epoch: int | None) -> Float[ndarray, "n d"] | None:
    """What a model says of some particles of both half sets, each once; None without an encoder."""
    if not has_encoder(model):
        return None
    stack, whole = open_particles(run.recipe.data), run.method(epoch)
    rows = np.unique(stack.table.row, return_index=True)[1]
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, MOST).astype(np.int64))]
    batches = (at_refined_poses(whole, batch) for batch in stack.batches(rows, AT_ONCE))
    with torch.no_grad():
        return encoded(model.method(), batches).double().numpy()
