"""The loop learns the truth, keeps to its stages, and survives numbers that are not finite."""

import pytest
import torch
from scipy.stats import spearmanr

from training.fitting import final_state, fit
from training.toy import Toy, ToyImages, ToySettings
from trimorph.core.errors import InputError
from trimorph.training.checkpoint import checkpoints, load_checkpoint
from trimorph.training.guard import NonFiniteGuard
from trimorph.training.latents import Latents
from trimorph.training.metrics import read_metrics
from trimorph.training.optimisers import Optimisers
from trimorph.training.plan import Plan
from trimorph.training.schedule import learning_rate_factor
from trimorph.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    images = ToyImages(count=300)
    toy = ToySettings(epochs=20, latents="table", learning_rate=0.05)
    settings = TrainingSettings(batch_size=25, checkpoint_every=10, metrics_every=5)
    fit(folder, images=images, toy=toy, settings=settings)
    return folder, images


def test_recovers_latents_and_densities(trained):
    folder, images = trained
    latents = Latents.load(folder / "latents" / "0020.npz")
    assert abs(spearmanr(latents.mean[:, 0], images.z[:, 0]).statistic) > 0.9
    state = final_state(folder)
    for name, truth, least in (("mean", images.truth[0], 0.97), ("mode", images.truth[1], 0.9)):
        seen, wanted = (
            images.disk.inverse(images.disk.transform(d.sum(0))).flatten() for d in (state[name][0], truth)
        )
        assert abs(float(torch.corrcoef(torch.stack([seen, wanted]))[0, 1])) > least, name


def test_metrics_follow_the_plan(trained):
    folder, _ = trained
    lines = read_metrics(folder / "metrics.jsonl")
    epochs = [line for line in lines if line["kind"] == "epoch"]
    assert [line["epoch"] for line in epochs] == list(range(1, 21))
    assert [line["stage"] for line in epochs] == ["first"] * 10 + ["second"] * 10
    assert epochs[-1]["terms"]["likelihood"] < 0.6 < epochs[0]["terms"]["likelihood"]
    assert epochs[0]["resolution"] > 12.0 > epochs[-1]["resolution"]
    assert list(epochs[0]["learning_rate"]) == ["density"]
    steps = [line for line in lines if line["kind"] == "step"]
    assert [line["step"] for line in steps] == list(range(5, 241, 5))
    for line in steps:
        factor = learning_rate_factor(line["step"] - 1, steps=240, warm_up=0.02, final=0.05)
        assert line["learning_rate"]["density"] == pytest.approx(0.05 * factor)


def test_group_that_a_stage_leaves_out_is_frozen(tmp_path):
    settings = TrainingSettings(batch_size=20, checkpoint_every=2)
    fit(tmp_path / "run", toy=ToySettings(epochs=4, latents="network"), settings=settings)
    halfway, end = (load_checkpoint(path)["model"] for path in checkpoints(tmp_path / "run" / "checkpoints"))
    torch.manual_seed(0)
    fresh = Toy(ToySettings(), ToyImages().problem()).state_dict()
    assert torch.equal(halfway["network.weight"], fresh["network.weight"])
    assert not torch.equal(halfway["mean"], fresh["mean"])
    assert not torch.equal(end["network.weight"], fresh["network.weight"])
    assert torch.equal(end["rows.weight"], fresh["rows.weight"])


class PoisonedImages(ToyImages):
    """Images of some particles are NaN the first so many times that they are read."""

    poisoned = (3,)
    times = 1

    def batches(self, order, batch_size, *, limit=None):
        for batch in super().batches(order, batch_size, limit=limit):
            hit = torch.isin(batch.index, torch.tensor(self.poisoned))
            if hit.any() and self.times > 0:
                self.times -= 1
                batch.image[hit] = torch.nan
            yield batch


def test_one_bad_batch_is_skipped(tmp_path):
    images = PoisonedImages()
    images.times = 3  # the first is read to look at precision; two in one epoch each are forgiven
    fit(tmp_path / "run", images=images, settings=TrainingSettings(batch_size=20, metrics_every=1))
    state = final_state(tmp_path / "run")
    assert all(bool(torch.as_tensor(value).isfinite().all()) for value in state.values())
    assert images.times == 0
    log = (tmp_path / "run" / "log.txt").read_text()
    assert log.count("not finite: step") >= 2
    steps = [
        line["step"] for line in read_metrics(tmp_path / "run" / "metrics.jsonl") if line["kind"] == "step"
    ]
    assert len(steps) == 12 - log.count("not finite: step")


def test_third_bad_batch_of_an_epoch_stops_with_a_message(tmp_path):
    images = PoisonedImages()
    images.poisoned, images.times = tuple(range(60)), 10**6
    with pytest.raises(InputError) as caught:
        fit(tmp_path / "run", images=images)
    message = str(caught.value)
    assert "not finite in 3 batches of one epoch" in message
    assert "step 1 with particles" in message
    assert "lower learning rate" in message


def test_guard_restores_weights_and_moments():
    torch.manual_seed(0)
    method = Toy(ToySettings(), ToyImages().problem())
    optimisers = Optimisers(method, clip_norm=0.0)
    loss = (method.mean**2).sum() + (method.mode**2).sum()
    loss.backward()
    optimisers.step({"density": 0.1}, 1.0)
    guard = NonFiniteGuard(method, optimisers)
    guard.keep()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    moment = optimisers.state()["mode"]["exp_avg"].clone()
    method.mean.grad = torch.full_like(method.mean, torch.nan)
    assert not optimisers.step({"density": 0.1}, 1.0)
    assert method.mean.isnan().any()
    guard.failed("here")
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    assert torch.equal(optimisers.state()["mode"]["exp_avg"], moment)


def test_gradient_is_clipped_to_the_norm():
    method = Toy(ToySettings(), ToyImages().problem())
    optimisers = Optimisers(method, clip_norm=2.0)
    method.mean.grad = torch.full_like(method.mean, 5.0)
    method.mode.grad = torch.zeros_like(method.mode)
    optimisers.step({"density": 0.1}, 1.0)
    assert float(method.mean.grad.norm()) == pytest.approx(2.0, rel=1e-5)


def test_work_left_counts_frequencies():
    toy = ToySettings(epochs=4)
    method = Toy(toy, ToyImages().problem())
    plan = Plan(method.stages, 10, method.disk)
    coarse, fine = len(method.disk.limit(resolution=12.0)), len(method.disk)
    assert plan.work(0) == 20 * coarse + 20 * fine
    assert plan.work(25) == 15 * fine
    assert plan.work(40) == 0


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("warm_up", 1.5), ("clip_norm", -1.0)])
def test_settings_out_of_range(name, value):
    with pytest.raises(InputError, match=f"Found {name} = {value}; wanted .*--{name.replace('_', '-')}"):
        TrainingSettings(**{name: value})
