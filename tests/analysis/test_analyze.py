"""analyze: what is written is what was found, and what cannot be analysed is refused before anything is."""

from __future__ import annotations

import csv
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import starfile
import torch
from pandas import read_csv, read_parquet

from run.slider import NOISE, PIXEL_SIZE, Slider, spread_latents, write_slider_run
from trimorph.analysis.analysis import Analysis
from trimorph.analysis.analyze import analyze
from trimorph.analysis.likelihood import misfit
from trimorph.analysis.paths_route import Route, find_path
from trimorph.analysis.select import Conditions, select
from trimorph.analysis.states import find_states
from trimorph.analysis.umap_plane import umap_plane
from trimorph.cli.main import run as run_command
from trimorph.core.errors import InputError
from trimorph.core.imaging import render_batch
from trimorph.data.mrc import read_map, write_stack
from trimorph.data.open import open_particles
from trimorph.methods import registry
from trimorph.run.choose_latents import choose_latents
from trimorph.run.embedding import read_embedding
from trimorph.run.near_points import NearPoints
from trimorph.run.run import Run
from trimorph.training.latents import Latents

COUNT = 48


@pytest.fixture(autouse=True)
def _slider_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.METHODS, "slider", f"{Slider.__module__}:Slider")


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """Of images that are what the model says and noise; the last three are noise alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "slider", f"{Slider.__module__}:Slider")
        patch.setattr("trimorph.analysis.figure_list.COLOURS", ("misfit", "tilt"))  # a picture takes a second
        run = made(tmp_path_factory.mktemp("analyze"))
        stack, method = open_particles(run.recipe.data), run.method()
        batch = stack[np.arange(COUNT)]
        with torch.no_grad():
            latent = torch.as_tensor(run.latents().mean)
            image = batch.disk.inverse(render_batch(method.decode(latent), batch))
        image[-3:] = 0
        noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
        folder = run.path.parent
        (folder / "images.mrcs").unlink()
        write_stack(folder / "images.mrcs", (image + NOISE * noise).numpy(), PIXEL_SIZE)
        return analyze(
            run.path, states="kmeans:3", components=1, points=3, parquet=True, colours=("rlnImageName",)
        )


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and report, which take longest, are left out."""
    monkeypatch.setattr("trimorph.analysis.analyze.draw_all", lambda *_, **__: ())
    monkeypatch.setattr("trimorph.analysis.analyze.write_report", lambda *_: None)


def made(folder: Path, latents: Latents | None = None) -> Run:
    folder.mkdir(exist_ok=True)
    latents = spread_latents(COUNT, together=2.0, apart=0.5) if latents is None else latents
    angles = [(47.0 * i, 5.0 + 3.5 * i) for i in range(len(latents))]
    return write_slider_run(folder, angles=angles, latents=latents)


def quickly(run: Run, **options: object) -> Analysis:
    """What looks at no image."""
    return analyze(run.path, own=False, misfit=False, points=2, **options)


def test_tables_hold_what_was_found(analysed: Analysis) -> None:
    table = read_csv(analysed.folder / "particles.csv")
    assert list(table) == ["particle", *analysed.columns]
    run = Run.open(analysed.folder.parent.parent)
    np.testing.assert_allclose(table[["z1", "z2"]], run.latents().mean, atol=1e-5)
    states = find_states(run.latents().mean.astype(float), count=3)
    np.testing.assert_array_equal(table["state"], states.label + 1)
    assert table["tilt"].to_numpy() == pytest.approx(5.0 + 3.5 * np.arange(COUNT), abs=1e-3)
    np.testing.assert_allclose(table["misfit"], misfit(run, run.latents()), rtol=1e-4)
    exact = read_parquet(analysed.folder / "particles.parquet")
    np.testing.assert_array_equal(exact["pc1"], analysed.columns["pc1"])
    rows = read_csv(analysed.folder / "states.csv")
    assert rows["particles"].tolist() == np.bincount(states.label).tolist()
    assert rows["centre"].tolist() == states.centre.tolist()


def test_its_states_can_be_selected(analysed: Analysis, tmp_path: Path) -> None:
    table = analysed.folder / "particles.csv"
    by_table = select(
        analysed.folder.parent.parent, tmp_path / "a.txt", Conditions(where=[f"{table}/state:2:2"])
    )
    again = Conditions(states="kmeans:3", clusters="2")
    by_name = select(analysed.folder.parent.parent, tmp_path / "b.txt", again)
    np.testing.assert_array_equal(by_table.chosen, analysed.states.label == 1)
    np.testing.assert_array_equal(by_name.chosen, by_table.chosen)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("how", ["kmeans:7", "mixture:3"])
def test_a_state_has_one_number_whatever_finds_it(tmp_path: Path, how: str) -> None:
    run = made(tmp_path, spread_latents(COUNT, together=1.0, apart=1.0))
    mean = read_embedding(run.path).mean
    found = {seed: quickly(run, states=how, seed=seed, name=f"seed{seed}") for seed in (0, 3)}
    assert (found[0].columns["state"] != found[3].columns["state"]).any()  # or the seed could be lost unseen
    for seed, analysis in found.items():
        centre = analysis.states.centre
        assert [one.number for one in analysis.state_files] == list(range(1, len(centre) + 1))
        assert [one.map.name for one in analysis.state_files][::2][:2] == ["state_01.mrc", "state_03.mrc"]
        assert analysis.columns["state"][centre].tolist() == [one.number for one in analysis.state_files]
        for number in (1, len(centre)):
            target = tmp_path / f"{seed}_{number}.star"
            conditions = Conditions(states=how, clusters=str(number), seed=seed)
            chosen = select(run.path, target, conditions, add_classes=True).chosen
            np.testing.assert_array_equal(chosen, analysis.columns["state"] == number)
            assert set(starfile.read(target, always_dict=True)["particles"]["trimorphClass"]) == {number}
        path, _ = find_path(mean, Route(by="straight", states=how, order="3,1", seed=seed, points=2))
        assert path.particle.tolist() == centre[[2, 0]].tolist()
    if how.startswith("kmeans"):
        near = NearPoints(latents=run.path, near_kmeans=7)
        chosen = near.choose(near.embedding())
        assert chosen.particle.tolist() == found[0].states.centre.tolist()
        volumes = choose_latents(
            run, None, latent_dim=2, z=None, z_file=None, particles=None, kmeans=7, pc=None, points=1
        )
        assert volumes.particle.tolist() == found[0].states.centre.tolist()


def test_each_state_has_the_maps_of_model_and_particles(analysed: Analysis) -> None:
    run = Run.open(analysed.folder.parent.parent)
    for one, z in zip(analysed.state_files, analysed.states.z, strict=True):
        density = read_map(analysed.folder / one.map)
        np.testing.assert_allclose(density.values, run.volume(z), atol=1e-4)
        assert one.own is not None
        own = read_map(analysed.folder / one.own)
        assert own.pixel_size == density.pixel_size == PIXEL_SIZE
        assert np.corrcoef(own.values.ravel(), density.values.ravel())[0, 1] > 0.8
        assert one.agreement is not None
        assert 0.7 < one.agreement <= 1.0
        assert one.half1 is not None
        assert one.half2 is not None
        assert (analysed.folder / one.half1).is_file()
        assert (analysed.folder / one.half2).is_file()
    (way,) = analysed.traversals
    assert [read_map(analysed.folder / one).values.shape for one in way.maps] == [(16, 16, 16)] * 3
    place = (way.z - run.latents().mean.mean(0)) @ analysed.components.axes[0]
    low, high = np.percentile(analysed.columns["pc1"], [5, 95])
    assert place[[0, 2]] == pytest.approx([low, high], abs=1e-5)


def test_junk_is_told_with_the_command_that_leaves_it_out(
    analysed: Analysis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = analysed.lines
    assert line.startswith("3 of 48 particles stand out as badly explained")
    words = line.split("trimorph select ")[1].split()
    words[words.index("kept.star")] = str(tmp_path / "kept.txt")
    assert run_command(["select", *words]) == 0
    assert np.loadtxt(tmp_path / "kept.txt", dtype=int).tolist() == list(range(COUNT - 3))
    assert "45 of 48 particles" in capsys.readouterr().out


def test_pictures_script_and_report_are_there(analysed: Analysis) -> None:
    names = {one.path.name for one in analysed.figures}
    assert {"states.png", "components.png", "junk.png", "by_misfit.png", "by_tilt.png"} <= names
    assert "by_rlnImageName.png" in names
    for one in analysed.figures:
        assert (analysed.folder / one.path).read_bytes().startswith(b"\x89PNG")
    script = (analysed.folder / "analysis.cxc").read_text()
    opened = [name for line in script.splitlines() if line.startswith("open") for name in line.split()[1:]]
    maps = [name for name in opened if name.endswith(".mrc")]
    assert len(maps) == 6
    assert all((analysed.folder / name).is_file() for name in maps)
    assert (analysed.folder / "report.html").stat().st_size > 10_000


@pytest.mark.usefixtures("undrawn")
def test_no_maps_run_along_a_component_that_says_nothing(tmp_path: Path) -> None:
    mean = np.zeros((COUNT, 2), np.float32)
    mean[:, 1] = np.random.default_rng(0).normal(size=COUNT)
    latents = Latents(np.arange(COUNT), mean, np.zeros((COUNT, 2, 2), np.float32))
    found = quickly(made(tmp_path, latents), states="kmeans:3", components=2)
    assert [way.name for way in found.traversals] == ["pc1"]
    assert found.components.share.tolist() == [1.0, 0.0]


def test_one_latent_component_is_drawn_on_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimorph.analysis.figure_list.COLOURS", ("tilt",))
    decode = Slider.decode
    monkeypatch.setattr(
        Slider, "decode", lambda self, z: decode(self, torch.cat([z, 0 * z], 1) if z.shape[1] == 1 else z)
    )
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(COUNT, 1)).astype(np.float32)
    latents = Latents(np.arange(COUNT), mean, np.full((COUNT, 1, 1), 0.01, np.float32))
    found = quickly(made(tmp_path, latents), states="kmeans:3")
    assert found.states.number().sum() == COUNT
    assert (found.folder / "report.html").is_file()
    assert found.states.z[:, 0].tolist() == sorted(found.states.z[:, 0].tolist())
    assert {"states.png", "by_tilt.png"} <= {one.path.name for one in found.figures}


def one_state(folder: Path, count: int) -> Analysis:
    mean, covariance = np.ones((count, 2), np.float32), np.zeros((count, 2, 2), np.float32)
    found = quickly(made(folder, Latents(np.arange(count), mean, covariance)))
    assert found.states.count == 1
    assert found.traversals == ()
    np.testing.assert_array_equal(found.components.share, 0.0)
    return found


def test_one_particle_is_one_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimorph.analysis.figure_list.COLOURS", ())
    found = one_state(tmp_path, 1)
    assert (found.folder / "report.html").is_file()


@pytest.mark.usefixtures("undrawn")
def test_latents_that_are_all_alike_are_one_state(tmp_path: Path) -> None:
    assert one_state(tmp_path, 20).states.number().tolist() == [20]


@pytest.mark.usefixtures("undrawn")
def test_a_run_in_training_is_read_at_its_last_whole_epoch(tmp_path: Path) -> None:
    run = made(tmp_path)
    later = run.latents()
    replace(later, mean=later.mean + 7).save(run.path / "latents" / "0002.npz")  # its checkpoint is to come
    (run.path / "checkpoints" / "0003.pt.tmp").write_bytes(b"half of it")
    found = quickly(run, states="kmeans:2")
    assert found.embedding.epoch == 1
    np.testing.assert_array_equal(found.embedding.mean, read_embedding(run.path, epoch=1).mean)


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_analysed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(tmp_path)
    with pytest.raises(InputError, match=r"Found 49 clusters; wanted from 1 to 48, the number of particles"):
        quickly(run, states="kmeans:49")
    with pytest.raises(InputError, match=r'no column "rlnImageNam" for colours.*Did you mean "rlnImageName"'):
        quickly(run, colours=("rlnImageNam",))
    with pytest.raises(InputError, match=r"Found --points 0; wanted 1 or more"):
        analyze(run.path, points=0)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r'no umap-learn .* Install it with: pip install "trimorph\[umap\]"'):
        quickly(run, umap=True)
    quickly(run, states="kmeans:2")
    with pytest.raises(FileExistsError, match=r"kmeans2: found a folder that is not empty; wanted a new"):
        quickly(run, states="kmeans:2")
    assert [path.name for path in (run.path / "analysis").iterdir()] == ["kmeans2"]


def test_runs_without_usable_latents_are_refused(tmp_path: Path) -> None:
    run = made(tmp_path)
    good = run.latents()
    mean = good.mean.copy()
    mean[5, 1] = np.nan
    replace(good, mean=mean).save(run.path / "latents" / "0001.npz")
    with pytest.raises(
        InputError, match=r"0001\.npz: found latents that are not finite, first of particle 5"
    ):
        quickly(run)
    (run.path / "latents" / "0001.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"no epoch with both a checkpoint .*0001.* and latents"):
        quickly(run)
    (run.path / "checkpoints" / "0001.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"found no checkpoint; wanted one in checkpoints/"):
        quickly(run)
    assert not (run.path / "analysis").exists()


@pytest.mark.usefixtures("undrawn")
def test_without_images_there_are_still_states(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.recipe.data.particles.unlink()
    with pytest.raises(FileNotFoundError, match=r"particles\.star: found no such file"):
        analyze(run.path)
    found = quickly(run, states="peaks")
    assert found.state_files[0].own is None
    assert "tilt" not in found.columns


@pytest.mark.usefixtures("undrawn")
def test_the_command_prints_the_states(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made(tmp_path)
    words = ["analyze", str(run.path), "--states", "kmeans:2", "--no-own", "--no-misfit", "--points", "2"]
    assert run_command([*words, "--name", "two"]) == 0
    out = capsys.readouterr().out
    with (run.path / "analysis" / "two" / "states.csv").open() as file:
        numbers = [row["particles"] for row in csv.DictReader(file)]
    assert re.search(rf"1 +{numbers[0]} .*\n +2 +{numbers[1]} ", out)
    assert str(run.path / "analysis" / "two" / "report.html") in out
    assert run_command(["analyze", str(tmp_path / "nothing")]) == 1
    assert "found no recipe.toml" in capsys.readouterr().err


def test_a_plane_of_umap_is_drawn_with_its_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """UMAP itself, which takes long to start, is stood in for by a turn of the latents."""

    class Turn:
        def __init__(self, *, n_neighbors: int, random_state: int) -> None:
            assert (n_neighbors, random_state) == (15, 4)

        def fit_transform(self, mean: np.ndarray) -> np.ndarray:
            return mean[:, ::-1].astype(np.float32)

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Turn))
    monkeypatch.setattr("trimorph.analysis.figure_list.COLOURS", ())
    monkeypatch.setattr("trimorph.analysis.analyze.write_report", lambda *_: None)
    run = made(tmp_path)
    found = quickly(run, states="kmeans:2", umap=True, seed=4)
    np.testing.assert_allclose(found.columns["umap1"], run.latents().mean[:, 1])
    assert {"states.png", "umap_states.png"} <= {one.path.name for one in found.figures}
    with pytest.raises(InputError, match=r"Found 9 particles; wanted 10 or more for UMAP"):
        umap_plane(np.zeros((9, 2)))
