"""The demonstration ends with a short message where it cannot go on."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

import trimorph

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "demo.py"


@pytest.fixture
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_stopped_while_it_simulates(tmp_path: Path) -> None:
    """As a user does it: a process of its own, and the keyboard's signal when it is under way."""
    command = [sys.executable, "-u", str(SCRIPT), str(tmp_path / "demo")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("1. simulate")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "demo: stopped." in said
    assert "Traceback" not in said


def _heed_interrupts() -> None:
    """What a shell starts in the background ignores the keyboard, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_stopped_while_it_trains(
    demo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, simulate = trimorph.train, trimorph.simulate

    def small(recipe: trimorph.Recipe, folder: Path, *, observer: object) -> trimorph.Run:
        settings = replace(recipe.settings, width=16, encoder="pixels", encoder_width=16)
        log = folder / "log.txt"

        def press() -> None:
            while not (log.exists() and "stage " in log.read_text()):
                pause.wait(0.01)
            signal.raise_signal(signal.SIGINT)

        pause = threading.Event()
        threading.Thread(target=press, daemon=True).start()
        return train(replace(recipe, settings=settings), folder, observer=observer)

    monkeypatch.setattr(trimorph, "train", small)
    monkeypatch.setattr(trimorph, "simulate", lambda *a, **k: simulate(*a, **{**k, "count": 200}))
    assert demo.ending(tmp_path / "demo") == 130
    said = capsys.readouterr().err
    assert f"go on with: trimorph resume {tmp_path}/demo/run" in said
    assert "demo: stopped." in said
    assert list((tmp_path / "demo" / "run" / "checkpoints").iterdir())


def test_run_a_second_time(demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "adk.star").write_text("mine")
    assert demo.ending(tmp_path) == 1
    said = capsys.readouterr().err
    assert "demo: " in said
    assert "adk.star: exists already and was left as it is" in said
    assert (tmp_path / "adk.star").read_text() == "mine"
