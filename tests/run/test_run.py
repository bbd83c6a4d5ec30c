"""Training from files leaves a run that gives back model, latents and maps, and that resumes."""

import json
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from run.conftest import toy_recipe, write_particles
from training.toy import ToyImages
from trimorph.core.conventions import VERSION
from trimorph.core.errors import InputError
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.train import resume, train
from trimorph.training.checkpoint import load_checkpoint
from trimorph.training.interrupt import Interrupted
from trimorph.training.observer import Silent


def test_recovers_the_truth_from_files(trained):
    truth = ToyImages(count=120, box=16)
    latents = Run.open(trained.path).latents()
    assert latents.index.tolist() == list(range(120))
    assert latents.covariance.shape == (120, 1, 1)
    assert abs(spearmanr(latents.mean[:, 0], truth.z[:, 0]).statistic) > 0.85
    density = trained.volume([0.0])
    seen = truth.disk.inverse(truth.disk.transform(torch.as_tensor(density).sum(0)))
    wanted = truth.disk.inverse(truth.disk.transform(truth.truth[0].sum(0)))
    assert np.corrcoef(seen.flatten(), wanted.flatten())[0, 1] > 0.9


def test_model_comes_back_without_the_particle_files(trained, tmp_path):
    moved = shutil.copytree(trained.path, tmp_path / "moved")
    run = Run.open(moved)
    state = load_checkpoint(run.checkpoint())["model"]
    assert torch.equal(run.method().state_dict()["mode"], state["mode"])
    assert run.problem().particles == 120
    assert run.problem().pixel_size == pytest.approx(4.0)
    both = run.volume([[0.0], [2.0]])
    assert both.shape == (2, 16, 16, 16)
    np.testing.assert_allclose(both[1] - both[0], 2 * state["mode"][0], atol=1e-6)
    np.testing.assert_array_equal(run.volume([2.0]), both[1])
    assert run.volume([0.0], box=8, pixel_size=8.0).shape == (8, 8, 8)
    earlier = run.volume([0.0], epoch=20)
    assert not np.array_equal(earlier, both[0])


def test_directory_says_where_it_comes_from(trained, star):
    record = json.loads((trained.path / "provenance.json").read_text())
    assert record["convention"] == VERSION
    assert [entry["path"] for entry in record["inputs"]] == [str(star), str(star.with_name("images.mrcs"))]
    assert record["inputs"][1]["bytes"] == 1024 + 120 * 16 * 16 * 4
    assert Recipe.load(trained.path / "recipe.toml") == trained.recipe
    names = sorted(path.name for path in (trained.path / "checkpoints").iterdir())
    assert names == ["0020.pt", "0040.pt", "0060.pt"]
    assert [line["epoch"] for line in trained.metrics() if line["kind"] == "epoch"] == list(range(1, 61))
    assert "done: 60 epochs, 360 steps" in (trained.path / "log.txt").read_text()


def test_folder_in_use_is_left_alone(trained, star, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")}
    with pytest.raises(
        FileExistsError, match=r"not empty; wanted a new folder.*trimorph resume.*choose another"
    ):
        train(toy_recipe(star), trained.path)
    assert {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")} == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="found a file"):
        train(toy_recipe(star), tmp_path / "file")
    with pytest.raises(NotADirectoryError, match="is a file; wanted a folder"):
        train(toy_recipe(star), tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "mine"


def test_folder_that_cannot_be_written(star, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"may not write to .*; wanted to make the folder.*-o"):
        train(toy_recipe(star), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_bad_particles_leave_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.star: "):
        train(toy_recipe(tmp_path / "absent.star"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def short(star, tmp_path) -> Run:
    """A run of four epochs, as if it had been cut after two."""
    run = train(toy_recipe(star), tmp_path / "run")
    shutil.copy(run.path / "checkpoints" / "0004.pt", tmp_path / "whole.pt")
    (run.path / "checkpoints" / "0004.pt").unlink()
    (run.path / "latents" / "0004.npz").unlink()
    return run


def test_resumes_to_the_same_weights(short):
    whole = load_checkpoint(short.path.parent / "whole.pt")["model"]
    again = resume(short.path)
    state = load_checkpoint(again.checkpoint(4))["model"]
    assert all(torch.equal(state[name], value) for name, value in whole.items())
    assert len(again.latents(4)) == 120
    epochs = [line["epoch"] for line in again.metrics() if line["kind"] == "epoch"]
    assert epochs == [1, 2, 3, 4]


def test_killed_before_the_first_checkpoint(star, short):
    whole = load_checkpoint(short.path.parent / "whole.pt")["model"]
    shutil.rmtree(short.path / "checkpoints")
    state = load_checkpoint(resume(short.path).checkpoint())["model"]
    assert all(torch.equal(state[name], value) for name, value in whole.items())
    epochs = [line["epoch"] for line in short.metrics() if line["kind"] == "epoch"]
    assert epochs == [1, 2, 3, 4]


class StopsAt(Silent):
    """Presses Ctrl-C at a step, and remembers how many images were prepared."""

    def __init__(self, number=0):
        self.number, self.prepared = number, 0

    def step(self, report):
        if report.step == self.number:
            os.kill(os.getpid(), signal.SIGINT)

    def prepare(self, done, count):
        self.prepared = done


def test_prepared_images_stay_until_the_end(star, tmp_path, monkeypatch):
    whole = train(toy_recipe(star), tmp_path / "whole")
    monkeypatch.setattr("trimorph.data.particles.available_memory", lambda: 0)
    first, again = StopsAt(9), StopsAt()
    with pytest.raises(Interrupted):
        train(toy_recipe(star), tmp_path / "run", observer=first)
    assert first.prepared == 120
    (file,) = (tmp_path / "run" / "cache").iterdir()
    assert file.stat().st_size == 120 * len(ToyImages(box=16).disk) * 4
    (file.parent / ".prepared-0123.4567.tmp.float16").write_bytes(b"left by a kill")
    run = resume(tmp_path / "run", observer=again)
    assert again.prepared == 0
    assert not file.parent.exists()
    one, two = (load_checkpoint(one.checkpoint(4))["model"] for one in (whole, run))
    assert all(torch.equal(two[name], value) for name, value in one.items())

    resume(run.path, observer=again)
    assert again.prepared == 0
    assert "nothing is left to do" in (run.path / "log.txt").read_text()


def test_a_users_files_beside_the_prepared_images_stay(short, monkeypatch):
    monkeypatch.setattr("trimorph.data.particles.available_memory", lambda: 0)
    elsewhere = short.path.parent / "fast disk"
    elsewhere.mkdir()
    (short.path / "cache").symlink_to(elsewhere)
    (elsewhere / "mine.txt").write_text("mine")
    resume(short.path)
    assert [path.name for path in (short.path / "cache").iterdir()] == ["mine.txt"]


def test_other_recipe_is_refused_with_its_keys(short):
    other = replace(
        short.recipe,
        settings=replace(short.recipe.settings, epochs=9),
        training=replace(short.recipe.training, batch_size=5, threads=1),
    )
    with pytest.raises(InputError) as caught:
        resume(short.path, recipe=other)
    for part in ("settings.epochs = 9, was 4", "training.batch_size = 5, was 20", "start a new run"):
        assert part in str(caught.value)
    assert "threads" not in str(caught.value)
    assert not (short.path / "checkpoints" / "0004.pt").exists()


def test_edited_recipe_file_is_noticed(short):
    file = short.path / "recipe.toml"
    file.write_text(file.read_text().replace("seed = 0", "seed = 1"))
    with pytest.raises(InputError, match=r"training\.seed = 1, was 0"):
        resume(short.path)


def test_changed_particles_are_refused(tmp_path):
    star = write_particles(tmp_path, ToyImages(count=40, box=16))
    run = train(toy_recipe(star, epochs=2), tmp_path / "run")
    star.write_text(star.read_text().replace("\n000040@", "\n000039@"))
    with pytest.raises(InputError, match=r"particles\.star: found a file that has changed.*start a new run"):
        resume(run.path)
    star.unlink()
    with pytest.raises(FileNotFoundError, match=r"particles\.star: found no file; wanted the input"):
        resume(run.path)


def test_not_a_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no recipe\.toml; wanted the folder of a run"):
        Run.open(tmp_path)


def test_questions_that_a_run_cannot_answer(trained):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint of epoch 3; .*0020, 0040"):
        trained.checkpoint(3)
    with pytest.raises(FileNotFoundError, match="no latents of epoch 3; there are 0020, 0040"):
        trained.latents(3)
    with pytest.raises(InputError, match="found z of 2 components; wanted 1"):
        trained.volume([1.0, 2.0])
