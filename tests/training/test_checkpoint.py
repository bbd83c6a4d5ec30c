"""Checkpoints: whole or not there, readable without trust, named by their position."""

import errno
from pathlib import Path

import pytest
import torch

from trimorph.core.errors import InputError
from trimorph.core.noise import NoiseModel
from trimorph.methods.base import Problem
from trimorph.training.checkpoint import (
    checkpoints,
    load_checkpoint,
    problem_from_state,
    problem_to_state,
    save_checkpoint,
)
from trimorph.training.metrics import MetricsLog, read_metrics


def test_interim_checkpoints_give_way_and_kept_ones_stay(tmp_path):
    for epoch, step, keep in ((0, 5, False), (1, 0, True), (1, 7, False), (1, 12, False)):
        save_checkpoint(tmp_path, {"value": epoch}, epoch=epoch, step=step, keep=keep)
    assert [path.name for path in checkpoints(tmp_path)] == ["0001.pt", "0001-000012.pt"]
    save_checkpoint(tmp_path, {"value": 2}, epoch=2, step=0, keep=True)
    assert [path.name for path in checkpoints(tmp_path)] == ["0001.pt", "0002.pt"]
    assert load_checkpoint(tmp_path / "0002.pt")["value"] == 2


def test_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, {"value": 1}, epoch=1, step=3, keep=False)
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    opened = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *args, **kw: opened(full if ".tmp" in self.name else self, *args, **kw)
    )
    with pytest.raises(
        OSError, match=r"No space left on device; wanted to write a checkpoint.*resume"
    ) as caught:
        save_checkpoint(tmp_path, {"value": torch.zeros(100000)}, epoch=2, step=0, keep=True)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["0001-000003.pt"]
    assert load_checkpoint(tmp_path / "0001-000003.pt")["value"] == 1


def test_damaged_and_foreign_files(tmp_path):
    (tmp_path / "0003.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"0003\.pt: found a file that torch cannot read"):
        load_checkpoint(tmp_path / "0003.pt")
    torch.save({"format": 99}, tmp_path / "0004.pt")
    with pytest.raises(InputError, match=r"found format 99 .* wanted 3 and 1"):
        load_checkpoint(tmp_path / "0004.pt")
    torch.save({"run": Path}, tmp_path / "0005.pt")
    with pytest.raises(InputError, match=r"0005\.pt"):
        load_checkpoint(tmp_path / "0005.pt")


def test_problem_comes_back():
    noise = NoiseModel(torch.rand(2, 5) + 0.1)
    problem = Problem(8, 2.5, 100, 15.0, noise, torch.randn(8, 8, 8))
    back = problem_from_state(problem_to_state(problem))
    assert (back.box, back.pixel_size, back.particles, back.radius) == (8, 2.5, 100, 15.0)
    assert torch.equal(back.noise.power, noise.power)
    assert torch.equal(back.mean, problem.mean)


def test_metrics_are_cut_back_and_a_torn_line_is_left_out(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    for step in range(1, 6):
        log.add(step=step, epoch=1 + (step - 1) // 2, terms={"a": 0.1 * step})
    with log.path.open("a") as file:
        file.write('{"step": 6, "ter')
    assert [line["step"] for line in read_metrics(log.path)] == [1, 2, 3, 4, 5]
    log.cut(epoch=1, step=3)
    assert [line["step"] for line in read_metrics(log.path)] == [1, 2, 3]
    log.add(step=2, epoch=2)  # two processes count half as many steps
    assert [line["step"] for line in read_metrics(log.path)] == [1, 2, 3, 2]
    log.cut(epoch=1, step=2)
    assert [line["step"] for line in read_metrics(log.path)] == [1, 2, 2]
