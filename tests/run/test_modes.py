"""A linear run read out: modes against the true difference of two states, tables, maps, and `quick`."""

import csv
import json
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch

import trimorph
from trimorph.cli.main import run as command
from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.data.mrc import read_map, write_map
from trimorph.methods import linear
from trimorph.run import chart as chart_module
from trimorph.run.chart import Chart, read_chart
from trimorph.run.export_modes import eigenvolume, write_modes
from trimorph.run.modes import Modes, read_modes
from trimorph.run.modes_figure import draw_modes
from trimorph.run.quick import quick
from trimorph.run.quick_figure import draw_quick
from trimorph.run.quick_places import places_along
from trimorph.run.run import Run

BOX, PIXEL_SIZE, COUNT = 24, 6.0, 300


@dataclass(frozen=True)
class Example:
    run: Run
    maps: list[np.ndarray]
    label: np.ndarray
    star: Path
    said: str

    @property
    def modes(self) -> Modes:
        return read_modes(self.run)


def blobs(*centres: tuple[float, float, float]) -> np.ndarray:
    """Gaussians at centres (x, y, z) in pixels."""
    position = PIXEL_SIZE * torch.tensor([centres])
    width = torch.full((1, len(centres)), 1.4 * PIXEL_SIZE)
    return Gaussians(position, (2 * torch.pi * width**2) ** 1.5, width).voxels(BOX, PIXEL_SIZE)[0].numpy()


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Iterator[Example]:
    """The command `quick` on images of two states that differ by the place of one blob."""
    folder = tmp_path_factory.mktemp("two_states")
    body = [(0.0, -3.0, 0.0), (3.0, 0.0, 1.0), (-2.0, 1.0, -3.0), (0.0, -4.0, 3.0)]
    for name, place in (("a", (-3.0, 4.0, 2.0)), ("b", (2.0, 4.0, -2.0))):
        write_map(folder / f"{name}.mrc", blobs(*body, place), PIXEL_SIZE)
    made = trimorph.simulate(
        [folder / "a.mrc", folder / "b.mrc"], folder / "two", count=COUNT, snr=1.0, shift=0.0, seed=3
    )
    words = ["quick", str(made.star), "-o", str(folder / "run"), "--modes", "2", "--resolution", "24"]
    truth = trimorph.Truth.read(made.truth_file)
    maps = [read_map(folder / f"{name}.mrc").values for name in "ab"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "IMAGES_SHOWN", 6000)  # in small batches enough for images as clear as these
        patch.setattr(linear.Linear, "BATCH_SIZE", 50)
        with redirect_stdout(StringIO()) as said:
            assert command(words) == 0
        yield Example(Run.open(folder / "run"), maps, truth.state, made.star, said.getvalue())


def flat_chart(coordinate: np.ndarray) -> Chart:
    """Coordinates that are known exactly."""
    return Chart(np.arange(len(coordinate)), coordinate, np.zeros_like(coordinate), 0.1)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@pytest.mark.filterwarnings("error")
def test_first_mode_is_the_difference_of_the_states(example, tmp_path):
    first, second = example.maps
    difference = second - first
    modes, folder = write_modes(example.run.path, output=tmp_path / "modes")
    assert folder == tmp_path / "modes"
    mode = read_map(folder / "mode_01.mrc")
    assert abs(correlation(mode.values, difference)) > 0.95
    assert mode.pixel_size == pytest.approx(PIXEL_SIZE)
    # half the difference is one standard deviation of two equal states; scales are those of the images
    share = ((difference / 2) ** 2).sum() / (((first + second) / 2) ** 2).sum()
    mean = read_map(folder / "mean.mrc").values
    assert (mode.values**2).sum() / (mean**2).sum() == pytest.approx(share, rel=0.15)
    assert modes.share_of_mean[0] == pytest.approx(share, rel=0.15)
    assert modes.real[0]
    z = example.run.latents().mean[:, 0]
    right = ((z > 0) == (example.label == 1)).mean()
    assert max(right, 1 - right) > 0.97


def test_maps_lie_along_the_modes(example, tmp_path):
    modes, folder = write_modes(example.run.path, output=tmp_path / "m", steps=3, reach=1.5, along=1)
    for step, place in enumerate((-1.5, 0.0, 1.5), start=1):
        z = [place * modes.deviation[0], 0.0]
        found = read_map(folder / f"mode_01_step_{step}.mrc").values
        np.testing.assert_allclose(found, example.run.volume(z), atol=1e-5)
    maps = sorted(path.name for path in folder.glob("*.mrc"))
    assert maps == ["mean.mrc", "mode_01.mrc", *(f"mode_01_step_{i}.mrc" for i in (1, 2, 3)), "mode_02.mrc"]
    script = (folder / "mode_01.cxc").read_text().splitlines()
    assert script[0] == "open mode_01_step_1.mrc mode_01_step_2.mrc mode_01_step_3.mrc vseries true"
    whole = (folder / "modes.cxc").read_text().splitlines()
    assert whole[0] == "open mean.mrc mode_01.mrc mode_02.mrc"
    assert whole[-1] == "hide #3-3 models"
    assert not (folder / "mode_02.cxc").exists()


def test_tables_say_the_same_and_sum_to_one(example):
    folder = example.run.path / "analysis" / "modes"  # of the command `quick`
    whole = json.loads((folder / "modes.json").read_text())
    with (folder / "modes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["mode"] for row in rows] == ["1", "2"]
    assert sum(row["share"] for row in whole["modes"]) == pytest.approx(1.0)
    assert sum(row["share_of_mean"] for row in whole["modes"]) == pytest.approx(whole["share_of_mean"])
    for row, mode in zip(rows, whole["modes"], strict=True):
        assert list(row) == list(mode)
        assert row["real"] == str(mode["real"]).lower()
        for name in ("variance", "share", "gain", "gain_error", "half_set_cosine"):
            assert float(row[name]) == pytest.approx(mode[name], rel=1e-4)
    model = example.run.method()
    assert whole["real"] == int(model.real) == sum(mode["real"] for mode in whole["modes"])
    assert whole["kept"] == int(model.kept) == 2
    assert whole["verdict"] == model.verdict
    assert whole["resolution"] == pytest.approx(24.0)
    assert whole["steps"] == [-2, -1, 0, 1, 2]
    # the density of one standard deviation has the variance as its power, on the modes' coarser grid
    ratio = (model.frame.pixel_size / PIXEL_SIZE) ** 3
    power = [float((eigenvolume(example.run, example.modes, k) ** 2).sum()) for k in (0, 1)]
    np.testing.assert_allclose(power, example.modes.variance * ratio, rtol=0.05)


def test_other_runs_are_refused(example, trained, tmp_path):
    with pytest.raises(InputError, match=r'method "toy"; wanted one of "linear".*trimorph train linear'):
        write_modes(trained.path)
    text = (trained.path / "recipe.toml").read_text()
    for folder in (tmp_path / "field", tmp_path / "field" / "linear"):
        folder.mkdir()
        (folder / "recipe.toml").write_text(text)
    with pytest.raises(InputError, match=r"those that it began with by: trimorph modes .*field/linear$"):
        write_modes(tmp_path / "field")
    state = torch.load(example.run.checkpoint(), weights_only=True)
    state["position"]["epoch"] -= 1
    (tmp_path / "checkpoints").mkdir()
    torch.save(state, tmp_path / "checkpoints" / example.run.checkpoint().name)
    (tmp_path / "recipe.toml").write_text((example.run.path / "recipe.toml").read_text())
    with pytest.raises(InputError, match=r"was stopped after \d+ of \d+ epochs.*trimorph resume"):
        write_modes(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 1}, "found 1 steps; wanted from 2"),
        ({"along": 3}, "found 3 modes to walk along; wanted from 0 to 2"),
        ({"reach": 0.0}, "found a reach of 0.0; wanted standard deviations above 0"),
    ],
)
def test_wrong_numbers(example, tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        write_modes(example.run.path, output=tmp_path / "modes", **wrong)
    assert not (tmp_path / "modes").exists()


def test_nothing_is_overwritten(example):
    with pytest.raises(FileExistsError, match="not empty; wanted a new folder for the modes"):
        write_modes(example.run.path)
    with pytest.raises(FileExistsError, match=r"found quick\.png there already; wanted a new folder"):
        quick(example.star, example.run.path)


def test_quick_says_where_all_lies(example):
    lines = example.said.splitlines()
    assert any(line.startswith("mean map: half maps agree to") for line in lines)
    assert example.modes.verdict in lines
    assert any("quick.png" in line and "look at this first" in line for line in lines)
    assert any(line.startswith("trimorph volumes") for line in lines)
    assert (example.run.path / "quick.png").read_bytes().startswith(b"\x89PNG")
    assert (example.run.path / "mean_fsc.csv").read_text().startswith("shell,frequency,resolution,unmasked")


def test_quick_goes_on_where_it_was_stopped(example, capsys):
    path = example.run.path
    (path / "quick.png").unlink()
    before = (path / "latents").stat().st_mtime_ns
    words = ["quick", str(example.star), "-o", str(path), "--modes", "2", "--resolution", "24"]
    assert command(words) == 0
    assert (path / "quick.png").is_file()
    assert (path / "latents").stat().st_mtime_ns == before
    (path / "quick.png").unlink()
    assert command([*words[:-1], "30"]) == 1
    assert "settings.resolution = 30.0, was 24.0" in capsys.readouterr().err
    assert command(words) == 0


def test_chart_tells_the_states_apart_for_every_particle(example, monkeypatch):
    chart = read_chart(example.run)
    assert chart.index.tolist() == list(range(COUNT))
    assert chart.coordinate.shape == chart.deviation.shape == (COUNT, chart.count)
    assert chart.unexplained < 0.2
    first = chart.coordinate[:, 0]
    low, high = np.sort([first[example.label == state].mean() for state in (0, 1)])
    right = ((first > (low + high) / 2) == (example.label == 1)).mean()
    assert max(right, 1 - right) > 0.97
    monkeypatch.setattr(chart_module, "TOGETHER", 37)
    again = read_chart(example.run.path)
    np.testing.assert_allclose(again.coordinate, chart.coordinate, atol=1e-5)
    np.testing.assert_allclose(again.deviation, chart.deviation, atol=1e-5)


def test_chart_is_written_as_a_row_a_particle(example):
    folder, chart = example.run.path / "analysis" / "modes", read_chart(example.run)
    with (folder / "chart.csv").open() as file:
        rows = list(csv.DictReader(file))
    numbers = range(1, chart.count + 1)
    assert list(rows[0]) == ["particle", *(f"coordinate_{i}" for i in numbers), *(f"sd_{i}" for i in numbers)]
    assert [int(row["particle"]) for row in rows] == list(range(COUNT))
    found = np.array([float(row["coordinate_1"]) for row in rows])
    np.testing.assert_allclose(found, chart.coordinate[:, 0], rtol=1e-4)
    assert chart.summary in example.said.splitlines()


def test_no_chart_where_no_mode_is_real(example, monkeypatch):
    nothing = replace(example.modes, real=np.zeros(2, bool))
    monkeypatch.setattr(chart_module, "read_modes", lambda run: nothing)
    chart = read_chart(example.run)
    assert chart.coordinate.shape == (COUNT, 0)
    assert chart.summary == "chart: no coordinate was found along which particles differ"


def test_quick_looks_through_the_mask_that_is_given(example, tmp_path, capsys, monkeypatch):
    empty = np.zeros((BOX, BOX, BOX), np.float32)
    write_map(tmp_path / "empty.mrc", empty, PIXEL_SIZE)
    words = ["quick", str(example.star), "-o", str(tmp_path / "run"), "--modes", "1", "--resolution", "24"]
    assert command([*words, "--mask", str(tmp_path / "empty.mrc")]) == 1
    assert "empty.mrc: found all zeros; wanted a mask from 0 to 1" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    seen = []

    def remember(recipe, *_, **__):
        seen.append(recipe)
        raise InputError("enough")

    monkeypatch.setattr("trimorph.run.quick.train", remember)
    assert command([*words, "--mask", str(tmp_path / "half.mrc")]) == 1
    assert seen[0].focus.mask == tmp_path / "half.mrc"


def test_modes_prints_a_table(example, tmp_path, capsys):
    assert command(["modes", str(example.run.path), "-o", str(tmp_path / "modes")]) == 0
    said = capsys.readouterr().out
    assert example.modes.verdict in said
    assert read_chart(example.run).summary in said.splitlines()
    assert "modes.png, chart.csv in" in said
    assert f"{100 * example.modes.share[0]:.1f} %" in said
    assert str(tmp_path / "modes") in said


def test_volumes_and_latents_serve_linear_runs(example, tmp_path):
    run = str(example.run.path)
    assert command(["volumes", run, "--kmeans", "3", "-o", str(tmp_path / "maps")]) == 0
    assert command(["latents", run, "-o", str(tmp_path / "z.csv")]) == 0
    assert len(list((tmp_path / "maps").glob("vol_*.mrc"))) == 3
    assert len((tmp_path / "z.csv").read_text().splitlines()) == COUNT + 1


def test_pictures_of_one_mode_that_is_not_real(tmp_path):
    modes = Modes(
        variance=np.array([0.5]),
        gain=np.array([0.01]),
        gain_error=np.array([0.02]),
        cosine=np.array([0.1]),
        real=np.array([False]),
        mean_power=10.0,
        resolution=20.0,
        verdict="No modes are real. Half sets agree to cosines of 0.10",
    )
    mean, change = blobs((0.0, 0.0, 0.0)), 0.1 * blobs((2.0, 1.0, 0.0))
    z = np.random.default_rng(0).normal(size=(50, 1))
    maps = np.stack([mean + place.z[0] * change for place in places_along(z, z)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, chart in {"m": flat_chart(z), "n": flat_chart(z[:, :0])}.items():
            draw_modes(
                tmp_path / f"{name}.png", modes, z=z, chart=chart, mean=mean, change=lambda k: change,
                pixel_size=PIXEL_SIZE,
            )  # fmt: skip
        draw_quick(
            tmp_path / "q.png", modes, z=z, places=places_along(z, z), chart=None, maps=maps, mean=mean,
            pixel_size=PIXEL_SIZE, fsc=None,
        )  # fmt: skip
        two = replace(modes, variance=np.ones(2), cosine=np.ones(2), gain=np.zeros(2), gain_error=np.ones(2),
                      real=np.array([True, False]))  # fmt: skip
        draw_quick(
            tmp_path / "f.png", two, z=np.tile(z, 2), chart=None, places=places_along(z, np.tile(z, 2)),
            maps=maps, mean=mean, pixel_size=PIXEL_SIZE,
            fsc=(np.linspace(0, 0.08, 13), np.linspace(1, 0.2, 13)),
        )  # fmt: skip
    assert modes.share.tolist() == [1.0]
    assert modes.share_of_mean.tolist() == [0.05]
