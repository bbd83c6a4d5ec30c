"""Two processes with a batch each learn what one process learns with both batches."""

from functools import partial

import numpy as np
import pytest
import torch

from training.fitting import final_state, fit, together
from training.toy import ToyImages, ToySettings
from trimorph.core.errors import InputError
from trimorph.training.latents import Latents
from trimorph.training.sampler import Sampler
from trimorph.training.settings import TrainingSettings

TOY = ToySettings(epochs=6, latents="table")
IMAGES = ToyImages(count=61)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One process with all images a step; two with half of them each (31 and 30; both see 30 a step)."""
    root = tmp_path_factory.mktemp("processes")
    images = ToyImages(count=60)
    fit(root / "one", images=images, toy=TOY, settings=TrainingSettings(batch_size=60, checkpoint_every=3))
    two = TrainingSettings(batch_size=30, checkpoint_every=3)
    together(2, partial(fit, root / "two", images=images, toy=TOY, settings=two))
    return root


def test_same_weights_rows_and_moments(folders):
    one, two = final_state(folders / "one"), final_state(folders / "two")
    assert one.keys() == two.keys()
    assert float(one["rows.weight"].abs().max()) > 0.02
    for name, value in one.items():
        torch.testing.assert_close(torch.as_tensor(two[name]), torch.as_tensor(value), atol=2e-5, rtol=2e-3)


def test_same_latents_of_all_particles(folders):
    one, two = (Latents.load(folders / name / "latents" / "0006.npz") for name in ("one", "two"))
    assert two.index.tolist() == list(range(60))
    np.testing.assert_allclose(two.mean, one.mean, atol=1e-4)


def test_checkpoint_of_two_goes_on_in_one(folders):
    for name in ("0006.pt",):
        (folders / "two" / "checkpoints" / name).rename(folders / name)
    before = final_state(folders / "two")
    assert before["rows.weight"].shape == (60, 1)
    settings = TrainingSettings(batch_size=60, checkpoint_every=3)
    fit(folders / "two", images=ToyImages(count=60), toy=TOY, settings=settings, resume=True)
    one, two = final_state(folders / "one"), final_state(folders / "two")
    for name, value in one.items():
        torch.testing.assert_close(torch.as_tensor(two[name]), torch.as_tensor(value), atol=2e-5, rtol=2e-3)


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
