"""A run that is cut short anywhere goes on to the same weights, to the last bit."""

import os
import signal
import time
from functools import partial

import pytest
import torch

from training.fitting import assert_identical, final_state, fit, start
from training.toy import ToyImages, ToySettings
from trimorph.training.checkpoint import checkpoints, load_checkpoint
from trimorph.training.metrics import read_metrics
from trimorph.training.settings import TrainingSettings


class SlowImages(ToyImages):
    """Leaves time to be killed in the middle of an epoch."""

    def batches(self, order, batch_size, *, limit=None):
        for batch in super().batches(order, batch_size, limit=limit):
            time.sleep(0.01)
            yield batch


EVERY_STEP = TrainingSettings(batch_size=7, checkpoint_minutes=0.0, checkpoint_every=3, metrics_every=1)
TOY = ToySettings(epochs=6, latents="network")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    fit(folder, toy=TOY, settings=EVERY_STEP)
    return folder


def test_killed_again_and_again(tmp_path, uninterrupted):
    folder = tmp_path / "run"
    work = partial(fit, folder, images=SlowImages(), toy=TOY, settings=EVERY_STEP, resume=True)
    kills = 0
    for delay in (0.0, 0.05, 0.12, 0.03, 0.2):
        before = checkpoints(folder / "checkpoints")
        process = start(work)
        while checkpoints(folder / "checkpoints")[-1:] == before[-1:] and process.is_alive():
            time.sleep(0.002)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert kills >= 4
    assert not (folder / "checkpoints" / "0006.pt").exists()
    fit(folder, toy=TOY, settings=EVERY_STEP, resume=True)

    assert_identical(final_state(folder), final_state(uninterrupted))
    names = [path.name for path in checkpoints(folder / "checkpoints")]
    assert names == ["0003.pt", "0006.pt"]
    ours, theirs = read_metrics(folder / "metrics.jsonl"), read_metrics(uninterrupted / "metrics.jsonl")
    assert [(line["kind"], line["step"], line["terms"]) for line in ours] == [
        (line["kind"], line["step"], line["terms"]) for line in theirs
    ]


def test_interrupted_by_the_keyboard(tmp_path, uninterrupted):
    folder = tmp_path / "run"
    settings = TrainingSettings(batch_size=7, checkpoint_every=3, metrics_every=1)
    process = start(partial(fit, folder, images=SlowImages(), toy=TOY, settings=settings))
    while len(read_metrics(folder / "metrics.jsonl")) < 13 and process.is_alive():
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGINT)
    process.join(timeout=30)
    assert process.exitcode == 130
    latest = checkpoints(folder / "checkpoints")[-1]
    position = load_checkpoint(latest)["position"]
    assert position["step"] >= 12
    assert "stopped at step" in (folder / "log.txt").read_text()
    fit(folder, toy=TOY, settings=settings, resume=True)
    assert_identical(final_state(folder), final_state(uninterrupted))


def test_seed_changes_the_weights(tmp_path, uninterrupted):
    other = TrainingSettings(batch_size=7, checkpoint_every=3, seed=1)
    fit(tmp_path / "run", toy=TOY, settings=other)
    first, second = final_state(tmp_path / "run")["mean"], final_state(uninterrupted)["mean"]
    assert not torch.equal(first, second)
