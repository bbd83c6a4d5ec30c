"""The words of the command line become the recipe that they say, and exit codes tell what happened."""

import dataclasses
import os
import signal
import threading
import time
from pathlib import Path

import pytest

import trimorph.cli.train as command_line
from training.toy import Toy, ToySettings
from trimorph.cli.main import run as trimorph
from trimorph.core.errors import InputError
from trimorph.methods.registry import method_names
from trimorph.run.run import Run
from trimorph.training.metrics import read_metrics


def parse(*words: str):
    return command_line.parse([str(word) for word in words])


def test_flags_of_all_three_kinds():
    recipe, output, processes = parse(
        "toy", "some.star", "-o", "out", "--epochs", "7", "--latents", "table", "--box", "32", "--half", "2",
        "--batch-size", "5", "--precision", "bfloat16", "--no-window", "--processes", "3",
    )  # fmt: skip
    assert (output, processes) == (Path("out"), 3)
    assert recipe.method == "toy"
    assert recipe.settings == ToySettings(epochs=7, latents="table")
    assert (recipe.data.particles, recipe.data.box, recipe.data.half) == (Path("some.star"), 32, 2)
    assert not recipe.data.window
    assert (recipe.training.batch_size, recipe.training.precision) == (5, "bfloat16")


def test_recipe_file_with_flags_over_it(trained):
    file = trained.path / "recipe.toml"
    same, *_ = parse("--recipe", file, "-o", "out")
    assert same == trained.recipe
    for none in ("none", "None"):
        other, *_ = parse("toy", f"--recipe={file}", "-o", "out", "--seed", "3", "--resolution", none)
        assert other.differences(trained.recipe) == {
            "settings.resolution": ("none", 20.0),
            "training.seed": (3, 0),
        }


@pytest.mark.parametrize("name", method_names())
def test_no_two_settings_of_a_method_share_a_flag(name):
    parse(name, "some.star", "-o", "out")


def test_settings_that_share_a_flag_are_a_defect(monkeypatch):
    class Clash(ToySettings):
        box: int = 3

    Clash.__annotations__ = {"box": int}

    monkeypatch.setattr(Toy, "Settings", dataclasses.dataclass(frozen=True)(Clash))
    with pytest.raises(TypeError, match="box is a flag of method already"):
        parse("toy", "some.star", "-o", "out")


def test_method_must_be_named():
    with pytest.raises(InputError, match=r"Found no method before -o; wanted one of .*field"):
        parse("-o", "out")


def test_exit_codes_and_messages(tmp_path, capsys):
    assert trimorph(["train"]) == 0
    assert "usage: trimorph train METHOD PARTICLES -o RUN" in capsys.readouterr().out
    assert trimorph(["train", "feild", "x.star", "-o", "out"]) == 1
    assert 'Did you mean "field"?' in capsys.readouterr().err
    assert trimorph(["resume", str(tmp_path)]) == 1
    assert "found no recipe.toml" in capsys.readouterr().err
    assert trimorph(["volumes", str(tmp_path), "--z", "0"]) == 1
    assert "found no recipe.toml" in capsys.readouterr().err


def test_train_stop_resume_and_volumes(star, tmp_path, capsys, monkeypatch):
    """The whole chain as a user types it, with a Ctrl-C in the middle."""
    out = tmp_path / "run"
    words = ["train", "toy", str(star), "-o", str(out), "--epochs", "40", "--batch-size", "12"]
    words += ["--diameter", "40", "--metrics-every", "1", "--no-window"]

    def interrupt_soon():
        while len(read_metrics(out / "metrics.jsonl")) < 20:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt_soon)
    thread.start()
    assert trimorph(words) == 130
    thread.join()
    captured = capsys.readouterr()
    assert "stage first: 20 epochs" in captured.out
    assert f"go on with: trimorph resume {out}" in captured.err
    assert trimorph(["resume", str(out)]) == 0
    assert "done: 40 epochs, 400 steps" in capsys.readouterr().out
    assert [line["epoch"] for line in Run.open(out).metrics() if line["kind"] == "epoch"] == list(
        range(1, 41)
    )
    assert trimorph(["volumes", str(out), "--pc", "1", "--points", "3", "-o", str(tmp_path / "maps")]) == 0
    assert "3 maps" in capsys.readouterr().out
    assert len(list((tmp_path / "maps").glob("vol_*.mrc"))) == 3
