"""Two processes with a batch each learn what one process learns with both batches."""

import os
import shutil
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from training.fitting import assert_identical, final_state, fit, together
from training.toy import Toy, ToyImages, ToySettings
from trimorph.core.errors import InputError
from trimorph.training.checkpoint import checkpoints, load_checkpoint
from trimorph.training.latents import Latents
from trimorph.training.metrics import read_metrics
from trimorph.training.optimisers import Optimisers
from trimorph.training.processes import joined
from trimorph.training.sampler import Sampler
from trimorph.training.settings import TrainingSettings
from trimorph.training.state import deal_state, gather_state

TOY = ToySettings(epochs=6, latents="table")
IMAGES = ToyImages(count=61)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One process with all images a step; two with half of them each (31 and 30; both see 30 a step)."""
    root = tmp_path_factory.mktemp("processes")
    images = ToyImages(count=60)
    fit(root / "one", images=images, toy=TOY, settings=TrainingSettings(batch_size=60, checkpoint_every=1))
    two = TrainingSettings(batch_size=30, checkpoint_every=1)
    together(2, partial(fit, root / "two", images=images, toy=TOY, settings=two))
    return root


def test_same_weights_rows_and_moments(folders):
    one, two = final_state(folders / "one"), final_state(folders / "two")
    assert float(one["rows.weight"].abs().max()) > 0.02
    assert_close(two, one)


def test_same_latents_of_all_particles(folders):
    one, two = (Latents.load(folders / name / "latents" / "0006.npz") for name in ("one", "two"))
    assert two.index.tolist() == list(range(60))
    np.testing.assert_allclose(two.mean, one.mean, atol=1e-4)


@pytest.mark.parametrize(("before", "after"), [("one", "two"), ("two", "one")])
def test_other_number_of_processes_goes_on_after_an_epoch(folders, tmp_path, before, after):
    run = shutil.copytree(folders / before, tmp_path / "run")
    for name in ("0005.pt", "0006.pt"):
        (run / "checkpoints" / name).unlink()
    rows = final_state(run)["rows.weight"]
    assert rows.shape == (60, 1)
    assert bool((rows != 0).all())
    train(run, images=ToyImages(count=60), world=1 if after == "one" else 2, batch=60, toy=TOY)
    assert_close(final_state(run), final_state(folders / after))


class AlikeImages(ToyImages):
    """All particles have one image, so that it does not matter which of them a process sees when.

    Where ``cut`` is given, Ctrl-C is pressed when so many batches are read.
    """

    cut = 0

    def __post_init__(self):
        super().__post_init__()
        first = torch.zeros(self.count, dtype=torch.long)
        self.image, self.ctf = self.image[first], self.ctf[first]
        self.read = 0

    def batches(self, order, batch_size, *, limit=None):
        for batch in super().batches(order, batch_size, limit=limit):
            self.read += 1
            if self.read == self.cut:
                os.kill(os.getpid(), signal.SIGINT)
            yield batch


def alike(*, cut: int = 0) -> AlikeImages:
    images = AlikeImages(count=60)
    images.cut = cut
    return images


def train(
    folder: Path, *, images: ToyImages, world: int, batch: int, toy: ToySettings, cut: bool = False
) -> None:
    """Train, or go on, with a batch of so many images in all processes together."""
    settings = TrainingSettings(batch_size=batch // world, checkpoint_every=2, metrics_every=1)
    work = partial(fit, folder, images=images, toy=toy, settings=settings, resume=True)
    if cut or world > 1:
        together(world, work, code=130 if cut else 0)
    else:
        work()


def assert_close(first: dict, second: dict) -> None:
    """Equal but for the order of sums."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(
            torch.as_tensor(second[name]), torch.as_tensor(value), atol=2e-5, rtol=2e-3, msg=name
        )


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_other_number_of_processes_goes_on_within_an_epoch(tmp_path, before, after):
    toy = ToySettings(epochs=4, latents="table")
    for folder, world in (("whole", after), ("cut", before)):
        cut = 0 if folder == "whole" else 6  # of six batches an epoch
        train(
            tmp_path / folder, images=alike(cut=cut + cut // 2), world=world, batch=10, toy=toy, cut=cut > 0
        )
    position = load_checkpoint(checkpoints(tmp_path / "cut" / "checkpoints")[-1])["position"]
    assert position["epoch"] == 1
    assert 0 < position["images"] < 60
    train(tmp_path / "cut", images=alike(), world=after, batch=10, toy=toy)
    assert_close(final_state(tmp_path / "cut"), final_state(tmp_path / "whole"))
    ours, theirs = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("cut", "whole"))
    assert [(line["kind"], line["step"]) for line in ours] == [
        (line["kind"], line["step"]) for line in theirs
    ]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["terms"] == pytest.approx(other["terms"], rel=1e-4)
        assert mine["learning_rate"] == pytest.approx(other["learning_rate"])


def test_twice_the_processes_count_half_the_steps(tmp_path):
    toy, run = ToySettings(epochs=4, latents="table"), tmp_path / "run"
    train(run, images=alike(cut=10), world=1, batch=10, toy=toy, cut=True)
    assert len(read_metrics(run / "metrics.jsonl")) >= 9
    train(run, images=alike(), world=2, batch=20, toy=toy)
    lines = read_metrics(run / "metrics.jsonl")
    assert [line["epoch"] for line in lines if line["kind"] == "epoch"] == [1, 2, 3, 4]
    assert [line["step"] for line in lines if line["epoch"] == 1] == [1, 2, 3, 4, 5, 6, 6]
    assert lines[-1]["step"] == 12
    assert lines[-1]["terms"]["likelihood"] < lines[0]["terms"]["likelihood"]


def deal_and_gather(source: Path, target: Path) -> None:
    """Load a checkpoint in this process and save what all of them hold together."""
    state = load_checkpoint(source)
    with joined("cpu") as processes:
        method = Toy(TOY, IMAGES.problem())
        for rows in method.particle_rows():
            rows.shard(processes.rank, processes.world)
        optimisers = Optimisers(method, clip_norm=0.0, world=processes.world)
        deal_state(method, optimisers, state, processes)
        gathered = gather_state(method, optimisers, processes)
        if gathered is not None:
            target.mkdir()
            torch.save(state | gathered, target / "0001.pt")


def test_nothing_is_lost_between_processes(tmp_path):
    toy = ToySettings(epochs=2, latents="table")
    fit(tmp_path / "run", images=IMAGES, toy=toy, settings=TrainingSettings(batch_size=16))
    before = final_state(tmp_path / "run")
    assert before["rows.weight"].shape == before["rows.weight exp_avg"].shape == (61, 1)
    source = checkpoints(tmp_path / "run" / "checkpoints")[-1]
    (tmp_path / "again").mkdir()
    together(3, partial(deal_and_gather, source, tmp_path / "again" / "checkpoints"))
    assert_identical(final_state(tmp_path / "again"), before)


def test_particles_that_do_not_divide_evenly(tmp_path):
    toy, settings = ToySettings(epochs=2, latents="table"), TrainingSettings(batch_size=8)
    together(2, partial(fit, tmp_path / "run", images=IMAGES, toy=toy, settings=settings))
    latents = Latents.load(tmp_path / "run" / "latents" / "0002.npz")
    state = final_state(tmp_path / "run")
    assert latents.mean.shape == (61, 1)
    np.testing.assert_allclose(latents.mean, state["rows.weight"].numpy())
    assert bool((state["rows.weight"] != 0).all())  # every particle was seen


def test_every_process_makes_as_many_steps_with_its_own_particles():
    samplers = [Sampler(61, 8, seed=3, rank=rank, world=2) for rank in range(2)]
    orders = [sampler.order(epoch=5) for sampler in samplers]
    assert [len(order) for order in orders] == [32, 32]
    for rank, order in enumerate(orders):
        assert set(order.tolist()) == set(range(rank, 61, 2))


def test_order_depends_on_seed_and_epoch_alone():
    first = Sampler(100, 10, seed=1).order(epoch=2)
    assert np.array_equal(first, Sampler(100, 10, seed=1).order(epoch=2))
    assert not np.array_equal(first, Sampler(100, 10, seed=1).order(epoch=3))
    assert not np.array_equal(first, Sampler(100, 10, seed=2).order(epoch=2))


def test_fewer_particles_than_processes():
    with pytest.raises(InputError, match=r"Found 1 particles for 2 processes.*fewer processes"):
        Sampler(1, 10, seed=0, rank=0, world=2)
