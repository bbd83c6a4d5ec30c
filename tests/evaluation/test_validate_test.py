"""The test and its nulls: what it says of images in which something moves, or nothing does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evaluation.made_validation import BODY, PIXEL, blob, images_of
from trimorph.core.errors import InputError
from trimorph.core.rotations import random_rotations, vector_to_matrix
from trimorph.core.symmetry import symmetry_rotations
from trimorph.data.orientations import view_directions
from trimorph.evaluation.nulls import Null, draw_nulls, holm, mode_p, real_modes
from trimorph.evaluation.power import LADDER, find_power, most_steps, named_region, shifted
from trimorph.evaluation.shuffles import copies_of, shuffle_within, view_bins
from trimorph.evaluation.validate_modes import find_modes, normalised, shared_span
from trimorph.evaluation.validate_scores import Scores, Whitened
from trimorph.evaluation.validate_settings import ValidationSettings
from trimorph.evaluation.validate_test import linear_test
from trimorph.evaluation.validate_verdict import null_tail
from trimorph.methods.variance_mask import particle_ball

OPEN, CLOSED = BODY + blob(45, 0, 0, weight=0.8), BODY + blob(32, 32, 0, weight=0.8)
MASK = particle_ball(len(BODY), PIXEL, radius=65.0)


def test_the_leading_mode_is_the_change() -> None:
    images = images_of([OPEN, CLOSED], 400, seed=1, noise=0.1)
    seen = Whitened.of(images, images.mean())
    found = find_modes(seen, np.arange(400), count=2, mask=MASK, seed=0)
    assert abs(float((found[0] * normalised((OPEN - CLOSED)[None])[0]).sum())) > 0.85
    inside, _ = shared_span(normalised((OPEN - CLOSED)[None]), found)
    assert inside[0] > 0.85


def test_a_change_is_real_and_noise_is_not() -> None:
    told = []
    for volumes in ([OPEN, CLOSED], [OPEN]):
        images = images_of(volumes, 400, seed=2, noise=0.1)
        test, _ = linear_test(images, modes=2, shuffles=399, seed=0)
        null = draw_nulls(images, test, None, count=2, modes=2, seed=0).null
        told.append(real_modes(test, null, level=0.01))
        redrawn, shuffled = mode_p(test, null)
        assert (shuffled >= 1 / 400).all()
        assert (redrawn > 0).all()
    assert told[0][0]
    assert not told[1].any()


def test_the_smallest_visible_shift_is_found_by_bisection() -> None:
    images = images_of([OPEN], 300, seed=3, noise=0.1)
    test, _ = linear_test(images, modes=2, shuffles=399, seed=0)
    middle = (len(BODY) // 2) * PIXEL
    region = named_region(images, test.mean, f"{middle + 45},{middle},{middle},16")
    assert region.centre[0] - middle == pytest.approx(45, abs=12)
    tried: list[tuple[int, int]] = []
    null = Null(np.random.default_rng(0).standard_normal(60))
    power = find_power(
        images, test, null, region=region, moved=0.5, modes=2, shuffles=399, level=0.01, seed=0,
        progress=lambda *seen: tried.append(seen),
    )  # fmt: skip
    assert len(tried) <= most_steps(len(LADDER))
    assert power.detectable is not None
    assert 1.0 <= power.detectable <= 24.0
    if power.hidden is not None:
        assert LADDER.index(power.detectable) == LADDER.index(power.hidden) + 1
    assert np.dot(power.direction, np.array(region.centre) - middle) == pytest.approx(0, abs=6)


def test_only_what_is_in_the_region_is_moved() -> None:
    part = blob(45, 0, 0, weight=0.8)
    mask = (part > 0.02).float()
    moved = shifted(OPEN, mask, np.array([0.0, 16.0, 0.0]), PIXEL)
    rest = OPEN - OPEN * mask
    assert torch.allclose(moved - rest, torch.roll(OPEN * mask, 2, 1), atol=1e-5)


def test_shuffles_within_bins_take_away_what_the_view_alone_tells() -> None:
    generator = np.random.default_rng(0)
    bins = np.repeat(np.arange(20), 25)
    by_view = generator.standard_normal(20)[bins][:, None]
    noise = generator.standard_normal((2, 500, 1))
    weight = np.ones((500, 1))
    viewed = Scores(noise[0] + 2 * by_view, noise[1] + 2 * by_view, weight)
    alone = np.arange(500)[:, None]
    reached, average = shuffle_within(bins, viewed, copies=alone, count=200, seed=1)
    assert reached[0] > 0.02
    brute = [
        np.mean([viewed.first[bins == b, 0].mean() * viewed.second[bins == b, 0].sum() for b in range(20)])
    ]
    assert average[0] == pytest.approx(20 * brute[0])
    signal = generator.standard_normal((500, 1))
    linked = Scores(noise[0] + signal, noise[1] + signal, weight)
    assert shuffle_within(bins, linked, copies=alone, count=200, seed=1)[0][0] == pytest.approx(1 / 201)


def test_p_of_particles_with_copies_is_as_often_small_as_it_says() -> None:
    """Copies show one image: of noise that they share, in part or whole, p has to be even."""
    sets, particles, symmetry = 200, 60, 4
    copies = np.arange(particles * symmetry).reshape(particles, symmetry)
    for shared in (1.0, 0.7):
        rng = np.random.default_rng(int(10 * shared))
        common, own = (
            rng.standard_normal((2, sets, 2, particles, 1)),
            rng.standard_normal((sets, 2, particles, symmetry)),
        )
        noise = shared * common[0] + np.sqrt(1 - shared**2) * own
        values = [part.reshape(sets, -1).T for part in (noise[:, 0], noise[:, 1])]
        scores = Scores(values[0], values[1], np.ones_like(values[0]))  # a column for each set
        bins = np.arange(particles) // 20
        p, _ = shuffle_within(bins, scores, copies=copies, count=199, seed=0)
        assert (p < 0.1).mean() == pytest.approx(0.1, abs=0.06)
        assert (p < 0.5).mean() == pytest.approx(0.5, abs=0.1)
        alone, rows = np.arange(particles * symmetry)[:, None], np.repeat(bins, symmetry)
        wrong, _ = shuffle_within(rows, scores, copies=alone, count=199, seed=0)
        assert (wrong < 0.1).mean() > 0.15  # as if they were independent


@pytest.mark.parametrize("group", ["C3", "D2", "D7"])
def test_copies_of_particles_of_one_view_have_one_view_each(group: str) -> None:
    generator = torch.Generator().manual_seed(0)
    pose = random_rotations(40, generator=generator).double()
    near = vector_to_matrix(0.01 * torch.randn(40, 3, generator=generator).double()) @ pose
    turns = symmetry_rotations(group).double()
    both = []
    for rotation in (pose, near):
        start = turns[torch.randint(len(turns), (40,), generator=generator)]  # the file has any of the copies
        both.append(((rotation @ start)[:, None] @ turns).reshape(-1, 3, 3).numpy())
    picture = np.repeat(np.arange(80), len(turns))
    rotation = np.concatenate(both)
    copies = copies_of(rotation, picture)
    assert copies.shape == (80, len(turns))
    assert sorted(copies.ravel().tolist()) == list(range(len(picture)))
    assert (picture[copies] == np.arange(80)[:, None]).all()
    view = view_directions(rotation)[copies]
    together = (view[:40] * view[40:]).sum(-1) > 0.99
    at_the_border = ~together[:, 0]  # of the unit, where another copy stands for the one of both
    assert at_the_border.mean() < 0.1
    assert together[~at_the_border].all()


def test_views_of_a_bin_are_near_each_other() -> None:
    direction = np.random.default_rng(1).standard_normal((2000, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    bins = view_bins(direction)
    assert len(np.unique(bins)) == 80
    spread = [direction[bins == b] @ direction[bins == b].mean(0) for b in np.unique(bins)]
    assert np.concatenate(spread).min() > 0.9


def test_p_is_that_of_the_null_and_counted_where_the_null_is_not_normal() -> None:
    normal = Null(np.random.default_rng(2).standard_normal(200))
    assert normal.parametric
    middle, rare, never = normal.p(np.array([0.0, 2.0, 6.0]))
    assert middle == pytest.approx(0.5, abs=0.06)
    assert 0.012 < rare < 0.045
    assert 0 < never < 1e-6
    heavy = Null(np.random.default_rng(3).standard_cauchy(99))
    assert not heavy.parametric
    assert heavy.p(np.array([1e9])).tolist() == [0.01]
    assert "normal" not in null_tail(normal, modes=6, level=0.01)
    assert null_tail(heavy, modes=1, level=0.05).endswith("none is below 0.01")
    assert null_tail(heavy, modes=6, level=0.05).endswith("none of 6 modes can be real; ask for more --nulls")


def test_holm_against_the_definition() -> None:
    p = np.array([0.2, 0.004, 0.03, 0.03])
    assert holm(p).tolist() == pytest.approx([0.2, 0.016, 0.09, 0.09])


def test_wrong_regions_and_settings_are_refused() -> None:
    images = images_of([OPEN], 300, seed=3)
    test, _ = linear_test(images, modes=2, shuffles=0, seed=0)
    with pytest.raises(InputError, match="wanted a mask file"):
        named_region(images, test.mean, "nowhere.mrc")
    with pytest.raises(InputError, match="wanted x,y,z,radius in"):
        named_region(images, test.mean, "1,2,x,4")
    with pytest.raises(InputError, match="with a radius of 0 Å"):
        named_region(images, test.mean, "1,2,3,0")
    with pytest.raises(InputError, match="of the mean map's density"):
        named_region(images, test.mean, "0,0,0,2")
    with pytest.raises(InputError, match='Found the region "1,2,3,4" and no power to find'):
        ValidationSettings(region="1,2,3,4", power=False)
    with pytest.raises(InputError, match="Found 99 shuffles for 6 modes"):
        ValidationSettings(shuffles=99)
