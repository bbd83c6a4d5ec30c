"""What a report shows is computed right: differences, nuisances, motion, surfaces, charts, warnings."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from scipy import stats

from analysis.html_page import Page
from analysis.made_report import made_metrics
from run.slider import Slider, SliderSettings, slider_problem
from trimorph.analysis.analysis import Analysis, StateFiles, Traversal
from trimorph.analysis.components import find_components
from trimorph.analysis.concerns_of_latents import concerns_of_latents
from trimorph.analysis.concerns_of_states import concerns_of_states
from trimorph.analysis.data_summary import DataSummary, summarise_data
from trimorph.analysis.nuisance import (
    TOLD,
    Explained,
    beyond_chance,
    explained,
    explained_by_groups,
    find_nuisances,
)
from trimorph.analysis.report_chart import Axis, Line, Mark, chart, frequency_axis
from trimorph.analysis.report_html import element, embedded, text
from trimorph.analysis.report_png import change, grey, png
from trimorph.analysis.report_run import changed_settings
from trimorph.analysis.report_training import last_fall
from trimorph.analysis.state_maps import Difference, StateMaps
from trimorph.analysis.state_motion import largest_motion
from trimorph.analysis.states import States
from trimorph.analysis.surface_view import surface_view
from trimorph.core.ctf import CTF
from trimorph.core.rotations import random_rotations
from trimorph.data.open import ParticleInput
from trimorph.data.tables import make_table
from trimorph.methods.field import FieldSettings
from trimorph.run.embedding import Embedding
from trimorph.run.recipe import Recipe
from trimorph.training.settings import TrainingSettings

BOX = 24


def ball(x: float, y: float, z: float, radius: float = 3.0) -> np.ndarray:
    """A soft ball at voxels from the middle, as [z, y, x]."""
    axis = np.arange(BOX) - BOX // 2
    far = np.sqrt((axis[:, None, None] - z) ** 2 + (axis[:, None] - y) ** 2 + (axis - x) ** 2)
    return np.clip(radius + 0.5 - far, 0, 1).astype(np.float32)


def state_maps(states: list[np.ndarray], noise: float, seed: int = 0) -> StateMaps:
    """Own maps with white noise of this standard deviation in each half."""
    rng, clean = np.random.default_rng(seed), np.stack(states)
    halves = [(clean + rng.normal(0, noise, clean.shape)).astype(np.float32) for _ in (1, 2)]
    share = np.full(len(states), 1 / len(states))
    return StateMaps(clean, 0.5 * (halves[0] + halves[1]), *halves, share, 2.0, 4.0)


def test_what_half_sets_share_is_the_difference_without_its_noise() -> None:
    moved, noise = [ball(-4, 0, 0), ball(4, 0, 0)], 0.1
    maps = state_maps(moved, noise)
    assert maps.mask is not None
    half = 0.5 * (moved[0] - moved[1])
    power = float((maps.mask * half**2).sum())
    mean = float((maps.mask * (0.5 * (moved[0] + moved[1])) ** 2).sum())
    # the noise of two states less their mean has half the power of one; pi / 6 of it is inside Nyquist's ball
    wanted = power / (power + np.pi / 12 * noise**2 * float(maps.mask.sum()))
    for found in maps.differences:
        assert found.correlation == pytest.approx(wanted, abs=0.02)
        assert found.size == pytest.approx(np.sqrt(power / mean), rel=0.05)
    assert maps.changes is not None
    assert np.corrcoef(maps.changes[0].ravel(), half.ravel())[0, 1] > 0.8


def test_states_alike_share_nothing_but_noise() -> None:
    found = [
        one.correlation
        for seed in range(4)
        for one in state_maps([ball(0, 0, 0)] * 3, noise=0.3, seed=seed).differences
    ]
    assert np.abs(found).max() < 0.1


def test_nuisances_that_are_in_the_latents_are_found_and_others_are_not() -> None:
    count, rng = 2000, np.random.default_rng(0)
    rotation = random_rotations(count, generator=torch.Generator().manual_seed(0)).double().numpy()
    defocus = rng.uniform(1e4, 2e4, count)
    table = make_table(
        Path("i.mrcs"), count, pixel_size=2.0, box=16, rotation=rotation, shift=rng.normal(size=(count, 2)),
        ctf=CTF(defocus_u=defocus, defocus_v=defocus), half=np.arange(count) % 2 + 1,
    )  # fmt: skip
    table = replace(table, micrograph=np.arange(count) // 20)
    view = rotation[:, 2, 0] + 0.5 * rng.normal(size=count)
    session = rng.normal(size=100).repeat(20) + rng.normal(size=count)
    scores = np.stack([view, rng.normal(size=count), session], axis=1)
    nuisances = find_nuisances(scores, table)
    found = {name: one.share for name, one in nuisances.items()}
    assert found["view direction"][0] == pytest.approx((1 / 3) / (1 / 3 + 0.25), abs=0.06)
    assert found["micrograph"][2] == pytest.approx(0.5, abs=0.1)
    quiet = [values[1] for values in found.values()] + [found["defocus"][0], found["shift"][0]]
    assert np.abs(quiet).max() < 0.02
    told = beyond_chance(nuisances, np.ones(3, bool))
    assert {name: np.flatnonzero(one).tolist() for name, one in told.items() if one.any()} == {
        "view direction": [0],
        "micrograph": [2],
    }
    assert not beyond_chance(nuisances, np.array([False, True, False]))["view direction"].any()


@pytest.mark.parametrize("count", [50, 500, 50_000])
def test_what_chance_explains_is_not_told_however_few_particles_there_are(count: int) -> None:
    """A hundred sets of four components that follow nothing, and features as a file of particles has them."""
    sets, rng = 100, np.random.default_rng(count)
    view = rng.normal(size=(count, 3))
    x, y, z = (view / np.linalg.norm(view, axis=1, keepdims=True)).T
    defocus = rng.uniform(1, 2, count)
    features = {
        "view": np.stack([x, y, z, x * y, x * z, y * z, x**2 - y**2, z**2], 1)[:, : count // 20],
        "defocus": np.stack([defocus, defocus**2], 1),
        "shift": rng.normal(size=(count, 2)),
        "half": np.arange(count)[:, None] % 2.0,
    }
    ranks = rng.random((count, 4 * sets)).astype(np.float32)  # as ranks are, but for a factor
    found = {name: explained(ranks, values) for name, values in features.items()}
    group = np.arange(count) % min(count // 5, 100)
    found["micrograph"] = explained_by_groups(ranks, group)
    said = chance = 0
    for first in range(0, 4 * sets, 4):
        own = {
            name: Explained(one.share[first : first + 4], one.p[first : first + 4])
            for name, one in found.items()
        }
        said += any(one.any() for one in beyond_chance(own, np.ones(4, bool)).values())
        chance += any((one.share > TOLD).any() for one in own.values())
    assert said <= 5
    assert (chance > 50) == (count == 50)  # a limit that does not know the number would warn of every one
    # and what is there is told: a tenth of the variance at 50,000, three tenths at 500, seven tenths at 50
    size = {50: 0.7, 500: 0.3, 50_000: 0.1}[count]
    follows = np.sqrt(size) * (defocus - 1.5) * np.sqrt(12) + np.sqrt(1 - size) * rng.normal(size=count)
    found = {name: explained(follows[:, None], values) for name, values in features.items()}
    told = beyond_chance(found, np.ones(1, bool))
    assert [name for name, one in told.items() if one.any()] == ["defocus"]


def test_copies_of_a_particle_do_not_make_chance_sure() -> None:
    rng = np.random.default_rng(3)
    values, feature = rng.normal(size=(50, 1)), rng.normal(size=(50, 1))
    once, alike = explained(values, feature), explained(values.repeat(8, 0), feature.repeat(8, 0), count=50)
    assert alike.p == pytest.approx(once.p)
    assert alike.share == pytest.approx(once.share)


def test_adjusted_shares_are_those_of_two_routes() -> None:
    rng = np.random.default_rng(1)
    group = np.arange(60) % 4
    values = rng.normal(size=(60, 2)) + group[:, None] * [0.3, 0.0]
    dummies = (group[:, None] == np.arange(1, 4)).astype(float)
    both = explained(values, dummies), explained_by_groups(values, group)
    assert both[0].share == pytest.approx(both[1].share, abs=1e-9)
    brute = [stats.f_oneway(*(column[group == one] for one in range(4))).pvalue for column in values.T]
    assert both[0].p == pytest.approx(brute, rel=1e-6)
    fitted = dummies @ np.linalg.lstsq(np.c_[dummies, np.ones(60)], values, rcond=None)[0][:3]
    plain = np.var(fitted, axis=0) / np.var(values, axis=0)
    assert both[0].share == pytest.approx(1 - (1 - plain) * 59 / 56, abs=1e-9)


def test_motion_of_the_model_is_what_it_is_known_to_be() -> None:
    method = Slider(SliderSettings(2), slider_problem(4))
    found = largest_motion(method, np.array([[0.0, 0.0], [1.5, 1.5], [0.5, 0.5]]))
    assert found is not None
    assert (found.first, found.second) == (0, 1)  # z1 + z2 is 3 apart, z1 - z2 not at all
    assert found.rms == pytest.approx(np.sqrt(3 / 5 * 6.0**2), rel=1e-5)
    assert found.far == pytest.approx(6.0, rel=1e-5)
    assert largest_motion(method, np.zeros((1, 2))) is None


@pytest.mark.parametrize(("axis", "right", "up"), [(0, "x", "y"), (1, "x", "z"), (2, "y", "z")])
def test_a_surface_is_where_its_density_is_and_hides_what_is_behind(axis: int, right: str, up: str) -> None:
    place = {"x": 0.0, "y": 0.0, "z": 0.0, right: 5.0, up: 3.0}
    seen = surface_view(ball(**place), level=0.5, axis=axis, pixels=BOX) < 255
    row, column = (values.mean() for values in np.nonzero(seen))
    assert column - BOX / 2 == pytest.approx(5.5, abs=0.6)
    assert BOX / 2 - row == pytest.approx(3.5, abs=0.6)
    # the eye is at +z, -y and +x: in a right-handed frame, right x up points to it
    eye = {0: ("z", 1), 1: ("y", -1), 2: ("x", 1)}[axis]
    other = ball(**{"x": 0.0, "y": 0.0, "z": 0.0, right: 8.0})
    near, far = (
        surface_view(
            ball(**{"x": 0.0, "y": 0.0, "z": 0.0, eye[0]: end}) + other, level=0.5, axis=axis, pixels=BOX
        )
        for end in (5.0 * eye[1], -5.0 * eye[1])
    )
    middle = slice(BOX // 2 - 2, BOX // 2 + 3)
    assert near[middle, middle].mean() > far[middle, middle].mean() + 5


def test_pictures_hold_the_pixels_that_they_were_made_of() -> None:
    rng = np.random.default_rng(0)
    for pixels in (rng.integers(0, 256, (5, 7), np.uint8), rng.integers(0, 256, (5, 7, 3), np.uint8)):
        read = imread(io.BytesIO(png(pixels)), format="png")
        assert np.array_equal(np.round(255 * read).astype(np.uint8), pixels)
    ramp = np.array([[0.0, 1.0], [2.0, 3.0]])
    assert grey(ramp, low=1.0, high=3.0).tolist() == [[128, 255], [0, 0]]  # y upwards
    white, blue, red = change(np.array([[0.0, 2.0, -2.0]]), most=1.0)[0].astype(int)
    assert white.tolist() == [255, 255, 255]
    assert blue[2] > blue[0] + 100
    assert red[0] > red[2] + 100


def test_points_of_a_chart_lie_where_their_values_say() -> None:
    x, y = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.25, 1.0])
    shown = chart(
        [Line(x, y, "a & b", "#123456")], Axis("x", 0.0, 4.0), Axis("y", 0.0, 1.0), alt='say "no"',
        marks=[Mark("y", 0.5, "half")], width=168, height=158,
    )  # fmt: skip
    root = Page(shown).root
    (drawn,) = (path for path in root.all("path") if path.attributes.get("stroke") == "#123456")
    places = np.array([float(one) for one in re.findall(r"[\d.]+", drawn.attributes["d"])]).reshape(-1, 2)
    assert places[:, 0] == pytest.approx(100 * x / 4, abs=0.1)
    assert places[:, 1] == pytest.approx(100 * (1 - y), abs=0.1)
    assert next(root.all("svg")).attributes["aria-label"] == 'say "no"'
    axis = frequency_axis(1.5)
    assert axis.high == pytest.approx(1 / 3)
    assert axis.ticks is not None
    assert all(value == pytest.approx(1 / float(word)) for value, word in axis.ticks)


def test_nothing_from_outside_ends_an_element_or_a_script() -> None:
    hostile = '</script><img src=x onerror="y">&amp;'
    root = Page(element("p", text(hostile), title=hostile) + embedded("data", [hostile])).root
    assert [one.name for one in root.all()] == ["p", "script"]
    assert root.children[0].attributes["title"] == hostile
    assert root.children[0].words == [hostile]
    assert "<" not in root.children[1].text


def analysis(*, effective: float = 900.0, own: bool = True, spread: float = 0.1) -> Analysis:
    """Two states of 1,000 particles along one axis."""
    rng = np.random.default_rng(0)
    mean = np.concatenate([rng.normal(-1, spread, (500, 1)), rng.normal(1, spread, (500, 1))])
    states = States(np.repeat([0, 1], 500), np.array([0, 500]), mean[[0, 500]], "known2")
    files = tuple(
        StateFiles(number, 500, 0.5, Path("m.mrc"), own=Path("o.mrc") if own else None, effective=effective,
                   agreement=0.9)
        for number in (0, 1)
    )  # fmt: skip
    embedding = Embedding(mean, np.full((1000, 1, 1), 0.01), Path("z.npz"))
    return Analysis(Path("a"), embedding, states, find_components(mean), {}, files, (), ())


def titles(found: object) -> dict[str, str]:
    return {one.title: one.kind for one in found}  # type: ignore[attr-defined]


def test_what_a_reviewer_would_ask_of_states() -> None:
    unknown = DataSummary(None, None)
    sure, noise = ([Difference(value, 0.3, 10.0)] * 2 for value in (0.9, 0.05))
    good = titles(concerns_of_states(analysis(), unknown, sure))
    assert good == {"Difference of the states": "passed", "Particles of the states": "passed"}
    bad = titles(concerns_of_states(analysis(effective=40.0), unknown, noise))
    assert bad == {
        "The states' own maps do not differ": "warning",
        "Few particles in states 0 and 1": "warning",
    }
    one = titles(concerns_of_states(analysis(), unknown, [sure[0], noise[0]]))
    assert "Hardly more than noise in state 1" in one
    assert "No maps of the particles themselves" in titles(
        concerns_of_states(analysis(own=False), unknown, [])
    )
    away = replace(analysis(), traversals=(Traversal("pc1", np.array([[-1.0], [0.0]]), ()),))
    (empty,) = (one for one in concerns_of_states(away, unknown, sure) if one.kind == "note")
    assert "near point 2 of pc1" in empty.words


def test_a_state_seen_from_one_side_is_told() -> None:
    rotation = random_rotations(1000, generator=torch.Generator().manual_seed(1)).double().numpy()
    rotation[500:] = rotation[500]
    table = make_table(Path("i.mrcs"), 1000, pixel_size=2.0, box=16, rotation=rotation)
    found = titles(concerns_of_states(analysis(), DataSummary(None, table), []))
    assert found["One-sided views in state 1"] == "warning"


def follows(share: list[float], p: list[float]) -> Explained:
    return Explained(np.array(share), np.array(p))


def test_what_a_reviewer_would_ask_of_latents() -> None:
    unknown = DataSummary(None, None)
    told = {"defocus": follows([0.2], [1e-9]), "shift": follows([0.0], [0.5])}
    found = titles(concerns_of_latents(analysis(), unknown, told, []))
    assert found == {"Latents follow the defocus": "warning", "Precision of the latents": "passed"}
    faint = analysis()  # a second component of a ten-thousandth of the variance
    mean = np.c_[faint.embedding.mean, 0.01 * np.random.default_rng(2).normal(size=1000)]
    faint = replace(faint, embedding=Embedding(mean, None, Path("z.npz")), components=find_components(mean))
    second = {"defocus": follows([0.0, 0.9], [0.4, 0.0])}
    assert titles(concerns_of_latents(faint, unknown, second, [])) == {"Latents and imaging": "passed"}
    chance = {"defocus": follows([0.2], [0.02])}
    assert titles(concerns_of_latents(analysis(), unknown, chance, []))["Latents and imaging"] == "passed"
    vague = analysis()
    vague = replace(vague, embedding=replace(vague.embedding, covariance=np.full((1000, 1, 1), 4.0)))
    assert titles(concerns_of_latents(vague, unknown, {}, [])) == {"Latents are vague": "warning"}


def test_a_loss_that_still_falls_is_known_by_its_last_stage() -> None:
    lines = made_metrics()
    assert last_fall(lines) == pytest.approx(0.1)
    assert last_fall(lines[:4]) is None


def test_settings_that_differ_are_told_with_their_defaults() -> None:
    recipe = Recipe(
        method="field",
        data=ParticleInput(Path("p.star"), window=False),
        settings=FieldSettings(latent_dim=3),
        training=TrainingSettings(seed=5),
    )
    found = {name: (value, usual) for name, value, usual, _ in changed_settings(recipe)}
    assert found.pop("data.particles") == (Path("p.star"), None)
    assert found == {
        "data.window": (False, True),
        "settings.latent_dim": (3, FieldSettings().latent_dim),
        "training.seed": (5, TrainingSettings().seed),
    }


def test_particles_that_are_gone_are_no_error(tmp_path: Path) -> None:
    found = summarise_data(ParticleInput(tmp_path / "gone.star"), tmp_path / "figures" / "p.png")
    assert found.info is None
    assert "gone.star: found no such file" in found.problem
