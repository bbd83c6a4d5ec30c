"""Seeds beside half sets: what is said of how alike their models are, and the measure itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimorph.core.errors import InputError
from trimorph.evaluation.validate_modes import normalised
from trimorph.evaluation.validate_seeds import SeedPair, _Model, _pair, seed_line
from trimorph.evaluation.validate_settings import ValidationSettings

NAMES = [
    ((1, 1), (1, 2)),
    ((1, 1), (2, 1)),
    ((1, 1), (2, 2)),
    ((1, 2), (2, 1)),
    ((1, 2), (2, 2)),
    ((2, 1), (2, 2)),
]


def pairs(same: list[float], other: list[float], *, latents: float = 0.9) -> list[SeedPair]:
    """Of two seeds of each half set."""
    values, rest = iter(same), iter(other)
    return [
        SeedPair(one, two, next(values) if one[0] == two[0] else next(rest), latents) for one, two in NAMES
    ]


def test_what_seeds_and_half_sets_agree_to_is_said_with_what_it_means() -> None:
    alike = seed_line(pairs([0.9, 0.8], [0.84, 0.82, 0.86, 0.8]))
    assert alike == (
        "seeds: models of one half set agree on what their maps differ by to 0.85 (0.80 to 0.90), 0.83 "
        "(0.80 to 0.86) between half sets; on latents to 0.90 (0.90 to 0.90), 0.90 (0.90 to 0.90) between "
        "half sets. So half sets agree as well as seeds do, so that what they disagree on is training"
    )
    particles = seed_line(pairs([0.95, 0.97], [0.5, 0.6, 0.55, 0.45], latents=float("nan")))
    assert "latents" not in particles
    assert "So half sets agree less than seeds do, so that the rest is due to the particles" in particles
    chance = seed_line(pairs([0.5, 0.6], [0.5, 0.6, 0.55, 0.45]))
    assert "So training leaves much to chance" in chance


def test_maps_agree_by_the_share_of_what_they_differ_by() -> None:
    """Two modes, of nine tenths and a tenth of the variance, of which others have both, one or none."""
    modes = normalised(
        torch.eye(4).reshape(4, 1, 2, 2).repeat(1, 2, 1, 1) * torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)
    )
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(500, 2))
    both = _Model((1, 1), modes[:2], np.array([0.9, 0.1]), latents)
    turned = _Model(
        (1, 2), modes[[1, 0]], np.array([0.5, 0.5]), latents @ np.array([[0.6, 0.8], [-0.8, 0.6]])
    )
    assert _pair(both, turned).maps == pytest.approx(1.0)
    assert _pair(both, turned).latents == pytest.approx(1.0)
    large = _Model((2, 1), modes[[0, 2]], np.array([0.9, 0.1]), generator.normal(size=(500, 2)))
    assert _pair(both, large).maps == pytest.approx(0.9**0.5)
    assert _pair(both, large).latents < 0.25
    nothing = _Model((2, 2), modes[2:], np.array([0.9, 0.1]), None)
    assert _pair(both, nothing).maps == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(_pair(both, nothing).latents)
    assert both.name[0] == turned.name[0]
    assert _pair(both, turned).together
    assert not _pair(both, large).together


def test_seeds_need_training() -> None:
    with pytest.raises(InputError, match="Found 2 seeds and no training of half sets; wanted one of them"):
        ValidationSettings(seeds=2, retrain=False)
    with pytest.raises(InputError, match="seeds"):
        ValidationSettings(seeds=0)
