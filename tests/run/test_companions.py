"""Companions: several processes from one command train what one process trains, and none outlives it."""

import os
import signal
import subprocess

import numpy as np
import pytest

import trimorph
from trimorph.cli import companions as module
from trimorph.cli.companions import companions
from trimorph.cli.main import run as command
from trimorph.core.errors import InputError
from trimorph.run.run import Run


@pytest.fixture
def started(monkeypatch) -> list[subprocess.Popen]:
    """The companions, as they are started."""
    found, start = [], module._start
    monkeypatch.setattr(module, "_start", lambda *words: found.append(start(*words)) or found[-1])
    return found


def test_two_processes_find_the_mode_that_one_finds(tmp_path, started):
    star = tmp_path / "particles.star"
    trimorph.simulate(
        "compositional",
        star.with_suffix(""),
        count=200,
        box=24,
        pixel_size=10.0,
        snr=5.0,
        seed=1,
        voxels=True,
    )
    words = ["--modes", "1", "--epochs", "2", "--device", "cpu", "--threads", "1"]
    together = ["--processes", "2", "--batch-size", "20"]
    assert command(["train", "linear", str(star), "-o", str(tmp_path / "two"), *words, *together]) == 0
    assert (
        command(["train", "linear", str(star), "-o", str(tmp_path / "one"), *words, "--batch-size", "40"])
        == 0
    )
    assert "on 2 x cpu" in (tmp_path / "two" / "log.txt").read_text()
    assert [one.returncode for one in started] == [0]
    one, two = (Run.open(tmp_path / name).latents() for name in ("one", "two"))
    assert np.array_equal(two.index, np.arange(200))
    # steps are made of other images; that their gradients are those of one process, tests/training/ shows
    assert abs(np.corrcoef(one.mean[:, 0], two.mean[:, 0])[0, 1]) > 0.99
    assert "WORLD_SIZE" not in os.environ


def test_fault_of_the_input_ends_the_companions(started):
    with pytest.raises(InputError), companions(["--version"], processes=3):
        raise InputError("a file is missing")
    assert [one.poll() is not None for one in started] == [True, True]


def test_what_a_companion_said_is_shown_when_the_work_breaks(started, capsys):
    def break_off() -> None:
        started[0].wait()
        raise RuntimeError("connection closed by peer")

    with pytest.raises(RuntimeError, match="peer"), companions(["nonsense"], processes=2):
        break_off()
    assert 'process 2 of 2: trimorph: no command "nonsense".' in capsys.readouterr().err


def test_sigterm_ends_the_companions_too(started):
    with pytest.raises(SystemExit) as ended, companions(["--version"], processes=2):
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 143
    assert [one.poll() is not None for one in started] == [True]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_nothing_is_started_for_one_or_within_a_group(started, monkeypatch):
    with companions(["--version"], processes=1):
        pass
    monkeypatch.setenv("WORLD_SIZE", "2")
    with companions(["--version"], processes=2):
        pass
    assert started == []


def test_less_than_one_process():
    with (
        pytest.raises(InputError, match="Found processes = 0; wanted at least 1"),
        companions(["--version"], processes=0),
    ):
        pass
