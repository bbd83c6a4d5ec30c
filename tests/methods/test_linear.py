"""The method linear: it finds the modes that there are, says how many are real, and knows how sure it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from methods.made_images import PIXEL_SIZE, MadeImages, cloud, mix_images, train
from training.fitting import assert_identical, final_state, together
from trimorph.core.errors import InputError
from trimorph.core.voxel_grid import resample
from trimorph.methods.held_out import HeldOut
from trimorph.methods.linear import Linear, LinearSettings
from trimorph.methods.mode_agreement import principal_cosines
from trimorph.training.latents import Latents
from trimorph.training.own_particles import OwnParticles
from trimorph.training.processes import Processes

BOX = 16
MEAN = cloud(BOX, (0.0, 0.0, 0.0), (3.0, 1.0, -1.0), (-1.0, -3.0, 2.0), (0.0, 2.0, 3.0))
MODES = 0.5 * torch.cat(
    [cloud(BOX, (-4.0, 0.0, 0.0)) - cloud(BOX, (4.0, -2.0, -2.0)), 0.8 * cloud(BOX, (0.0, 4.0, -3.0))]
)
"""The first moves mass from one side to the other, the second is there or not."""


def stack(modes: int, *, count: int = 600, seed: int = 0, contrast: float = 0.0) -> tuple[MadeImages, Tensor]:
    """Images with so many modes of normal amplitudes, and these."""
    generator = torch.Generator().manual_seed(100 + seed)
    z = torch.randn(count, modes, generator=generator)
    amplitude = 1 + contrast * torch.randn(count, 1, generator=generator)
    images = mix_images(torch.cat([MEAN, MODES[:modes]]), torch.cat([amplitude, z], 1), seed=seed)
    return images, z


def fit(
    folder: Path, *, images: MadeImages, batch_size: int = 50, every: int = 1000, **settings: Any
) -> Linear:
    """Train, or go on with, a method of the same first weights."""
    torch.manual_seed(0)
    problem = images.problem(MEAN[0])
    linear = Linear(LinearSettings(**settings), problem)
    train(linear, images, folder, problem=problem, batch_size=batch_size, checkpoint_every=every)
    return linear


def on_grid(linear: Linear, modes: int) -> Tensor:
    """The true modes as the method holds its own."""
    frame = linear.frame
    return resample(MODES[:modes], PIXEL_SIZE, box=frame.box, pixel_size=frame.pixel_size).flatten(1)


@pytest.fixture(scope="module", params=[1, 2])
def fitted(request: Any, tmp_path_factory: Any) -> tuple[Linear, Tensor, Latents]:
    """A method that was to find the number of modes, the true amplitudes, and its latents."""
    images, z = stack(request.param)
    folder = tmp_path_factory.mktemp("linear") / "run"
    linear = fit(folder, images=images, epochs=10)
    return linear, z, Latents.load(folder / "latents" / "0015.npz")


def test_as_many_modes_are_found_as_there_are(fitted: tuple[Linear, Tensor, Latents]) -> None:
    linear, z, latents = fitted
    count = z.shape[1]
    assert int(linear.real) == int(linear.kept) == linear.latent_dim == latents.mean.shape[1] == count
    said = "1 mode is real of 1 kept" if count == 1 else "2 modes are real of 2 kept"
    assert linear.verdict.startswith(said)


def test_modes_are_the_true_ones(fitted: tuple[Linear, Tensor, Latents]) -> None:
    linear, z, _ = fitted
    found = linear.densities().detach().flatten(1)
    assert float(principal_cosines(found, on_grid(linear, z.shape[1])).min()) > 0.93
    gram = found @ found.T
    torch.testing.assert_close(gram, torch.diag(gram.diagonal()), rtol=1e-3, atol=1e-3)
    size = found.norm(dim=1)
    assert size.tolist() == sorted(size.tolist(), reverse=True)
    # lengths are the latents' standard deviations: those of the true covariance
    true = torch.linalg.svdvals(on_grid(linear, z.shape[1]))
    torch.testing.assert_close(size, true, rtol=0.1, atol=0.0)


def test_latents_follow_the_true_amplitudes(fitted: tuple[Linear, Tensor, Latents]) -> None:
    linear, z, latents = fitted
    count = z.shape[1]
    axes = torch.nn.functional.normalize(linear.densities().detach().flatten(1), dim=1)
    true = z @ on_grid(linear, count) @ axes.T
    both = torch.corrcoef(torch.cat([torch.as_tensor(latents.mean).T, true.T]))
    assert bool((both[:count, count:].diagonal() > 0.93).all())


def test_credible_sets_cover_the_truth(fitted: tuple[Linear, Tensor, Latents]) -> None:
    """The best that the modes can tell of the truth: its projection on them."""
    linear, z, latents = fitted
    axes = torch.nn.functional.normalize(linear.densities().detach().flatten(1), dim=1)
    off = z @ on_grid(linear, z.shape[1]) @ axes.T - torch.as_tensor(latents.mean)
    inverse = torch.linalg.inv(torch.as_tensor(latents.covariance))
    distance = torch.einsum("bi,bij,bj->b", off, inverse, off)
    for level, slack in ((0.68, 0.06), (0.95, 0.04)):
        covered = float((distance < chi2.ppf(level, z.shape[1])).float().mean())
        assert covered == pytest.approx(level, abs=slack)


def test_decoded_densities_differ_by_the_true_mode(fitted: tuple[Linear, Tensor, Latents]) -> None:
    linear, z, _ = fitted
    step = torch.zeros(2, z.shape[1])
    step[1, 0] = float(linear.densities()[0].detach().norm())
    with torch.no_grad():
        first, second = linear.decode(step).voxels(BOX, PIXEL_SIZE)
    torch.testing.assert_close(first, MEAN[0])
    change, true = (second - first).flatten(), MODES[0].flatten()
    assert float(abs(torch.nn.functional.cosine_similarity(change, true, dim=0))) > 0.9


def test_latent_is_that_of_the_limit_that_was_taken(fitted: tuple[Linear, Tensor, Latents]) -> None:
    linear, z, latents = fitted
    images, _ = stack(z.shape[1])
    batch = images.batch(torch.arange(20))
    kept = len(batch.disk.limit(resolution=linear.limits[int(linear.best)]))
    assert kept < len(batch.disk)
    batch.image[:, kept:] = 1e3
    with torch.no_grad():
        found = linear.encode(batch).mean
    torch.testing.assert_close(found, torch.as_tensor(latents.mean[:20]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_is_real_where_all_particles_are_alike(tmp_path: Path, seed: int) -> None:
    images, _ = stack(0, count=400, seed=seed)
    linear = fit(tmp_path / "run", images=images, epochs=6)
    assert int(linear.real) == 0
    assert linear.verdict.startswith("no modes are real of 1 kept")
    assert bool((linear.gain[: int(linear.judged)] < 0).all())


def test_contrast_is_not_taken_for_a_mode(tmp_path: Path) -> None:
    images, _ = stack(0, count=400, contrast=0.3)
    blind = fit(tmp_path / "blind", images=images, epochs=6, modes=2)
    seeing = fit(tmp_path / "seeing", images=images, epochs=6, modes=2, contrast=0.3)
    assert int(blind.real) == 1
    mean = resample(MEAN, PIXEL_SIZE, box=blind.frame.box, pixel_size=blind.frame.pixel_size).flatten(1)
    found = blind.densities().detach().flatten(1)[:1]
    assert float(torch.nn.functional.cosine_similarity(found, mean).abs()) > 0.9
    assert int(seeing.real) == 0


def test_number_of_modes_as_asked(tmp_path: Path) -> None:
    images, _ = stack(1, count=200)
    linear = fit(tmp_path / "run", images=images, epochs=4, modes=3)
    assert linear.latent_dim == 3
    assert linear.verdict.startswith("1 mode is real of 3 kept")
    assert Latents.load(tmp_path / "run" / "latents" / "0006.npz").covariance.shape == (200, 3, 3)


def test_modes_stay_inside_the_mask(tmp_path: Path) -> None:
    """A mask around one end: the other end's mode is not found."""
    images, _ = stack(1, count=300)
    x = (torch.arange(BOX) - BOX // 2).expand(BOX, BOX, BOX)
    problem = images.problem(MEAN[0], mask=(x < -1).float())
    torch.manual_seed(0)
    linear = Linear(LinearSettings(epochs=6, modes=1), problem)
    train(linear, images, tmp_path / "run", problem=problem, batch_size=50)
    with torch.no_grad():
        start, end = linear.decode(torch.tensor([[0.0], [10.0]])).voxels(BOX, PIXEL_SIZE)
    change = (end - start).square()
    assert float(change[x < 0].sum() / change.sum()) > 0.95


def test_mask_is_found_where_the_density_varies(tmp_path: Path) -> None:
    """Far from the mean's density too: a spot that is there or not, and nearly lost in the mean."""
    spot = 0.8 * cloud(BOX, (4.0, 0.0, -3.0))
    there = torch.randn(500, 1, generator=torch.Generator().manual_seed(5))
    images = mix_images(torch.cat([MEAN, spot]), torch.cat([torch.ones(500, 1), there], 1))
    problem = replace(images.problem(MEAN[0]), mask=None)
    torch.manual_seed(0)
    linear = Linear(LinearSettings(epochs=6), problem)
    ball = linear.mask.clone()
    assert [stage.epochs for stage in linear.stages[:2]] == [3, 6]
    train(linear, images, tmp_path / "run", problem=problem, batch_size=50, checkpoint_every=1)
    inside = resample(spot, PIXEL_SIZE, box=linear.frame.box, pixel_size=linear.frame.pixel_size)[0].square()
    assert float((linear.mask * inside).sum() / inside.sum()) > 0.9
    assert float(linear.mask.sum()) < 0.5 * float(ball.sum())
    assert int(linear.real) == 1
    assert "density varies most in" in (tmp_path / "run" / "log.txt").read_text()
    again = shutil.copytree(tmp_path / "run", tmp_path / "again")
    for later in (again / "checkpoints").glob("*.pt"):
        if later.stem > "0003":
            later.unlink()
    torch.manual_seed(0)
    train(Linear(LinearSettings(epochs=6), problem), images, again, problem=problem, batch_size=50)
    assert_identical(final_state(again), final_state(tmp_path / "run"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: Any) -> Path:
    """A run that was not interrupted, with a checkpoint at each of its 2 + 1 epochs."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    fit(folder, images=stack(1, count=120)[0], epochs=2, modes=2, every=1)
    return folder


@pytest.mark.parametrize("epoch", [1, 2])
def test_goes_on_to_the_same_bits(whole: Path, tmp_path: Path, epoch: int) -> None:
    """From within the first stage, and from between the stages, where the review is behind."""
    run = shutil.copytree(whole, tmp_path / "run")
    for later in range(epoch + 1, 4):
        (run / "checkpoints" / f"{later:04d}.pt").unlink()
    linear = fit(run, images=stack(1, count=120)[0], epochs=2, modes=2, every=1)
    assert_identical(final_state(run), final_state(whole))
    first, second = (Latents.load(folder / "latents" / "0003.npz") for folder in (run, whole))
    assert (first.mean == second.mean).all()
    assert linear.verdict in (whole / "log.txt").read_text()


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    """Two processes with half of the images each, one step an epoch, as one with all of them."""
    images, _ = stack(1, count=60)
    settings: dict[str, Any] = {"images": images, "epochs": 4, "modes": 2}
    fit(tmp_path / "one", batch_size=60, **settings)
    together(2, partial(fit, tmp_path / "two", batch_size=30, **settings))
    one, two = (final_state(tmp_path / name) for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(
            torch.as_tensor(two[name]), torch.as_tensor(value), rtol=2e-3, atol=2e-3, msg=name
        )
    verdicts = [(tmp_path / name / "log.txt").read_text().splitlines()[-2][21:] for name in ("one", "two")]
    assert verdicts[0] == verdicts[1]


Tried = Callable[[list[float]], Linear]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Tried:
    """Review one limit after another that raise the held-out likelihood as told."""
    images, _ = stack(1, count=40)
    survey = OwnParticles(images, images.disk, Processes(torch.device("cpu")), batch_size=20)

    def review(gains: list[float]) -> Linear:
        problem = images.problem(MEAN[0])
        linear = Linear(LinearSettings(epochs=4, modes=2), problem)
        linear.limits = (30.0, 20.0, 12.0)
        for number, gain in enumerate(gains):
            found = HeldOut(torch.tensor([gain, -1.0]), torch.full((2,), 0.1), torch.ones(2, 2))
            monkeypatch.setattr("trimorph.methods.linear.held_out", lambda *_, found=found, **__: found)
            lines = linear.review(linear.stages[number], survey)
            assert len(lines) == 1
        return linear

    return review


@pytest.mark.parametrize(
    ("gains", "best", "plan"),
    [
        ([3.0], 0, [(4, 30.0), (2, 20.0), (2, 12.0), (2, 12.0)]),
        ([3.0, 2.0], 0, [(4, 30.0), (2, 20.0), (2, 30.0)]),
        ([3.0, 3.02], 0, [(4, 30.0), (2, 20.0), (2, 30.0)]),  # not worth it
        ([3.0, 4.0], 1, [(4, 30.0), (2, 20.0), (2, 12.0), (2, 12.0)]),
        ([3.0, 4.0, 3.0], 1, [(4, 30.0), (2, 20.0), (2, 12.0), (2, 20.0)]),
        ([3.0, 4.0, 5.0], 2, [(4, 30.0), (2, 20.0), (2, 12.0), (2, 12.0)]),
        ([-3.0, -4.0], 0, [(4, 30.0), (2, 20.0), (2, 30.0)]),
    ],
)
def test_limit_is_raised_while_that_pays(
    tried: Tried, gains: list[float], best: int, plan: list[tuple[int, float]]
) -> None:
    linear = tried(gains)
    assert int(linear.best) == best
    assert float(linear.gain[0]) == gains[best]
    assert [(stage.epochs, stage.resolution) for stage in linear.stages] == plan


@pytest.mark.parametrize(("count", "epochs"), [(4, 200), (99, 200), (250, 80), (30_000, 1)])
def test_passes_show_as_many_images_but_not_the_same_few_for_ever(count: int, epochs: int) -> None:
    problem = replace(stack(1, count=4)[0].problem(MEAN[0]), particles=count)
    assert Linear(LinearSettings(), problem).epochs == epochs


@pytest.mark.parametrize(("gain", "fitted"), [((1.0,) * 10, 20), ((1.0,) * 9 + (-0.1,), 10)])
def test_twice_as_many_modes_are_fitted_where_all_are_of_use(
    monkeypatch: pytest.MonkeyPatch, gain: tuple[float, ...], fitted: int
) -> None:
    images, _ = stack(1, count=40)
    survey = OwnParticles(images, images.disk, Processes(torch.device("cpu")), batch_size=20)
    linear = Linear(LinearSettings(epochs=4), images.problem(MEAN[0]))
    linear.limits = (30.0, 20.0)
    found = HeldOut(torch.tensor(gain), torch.full((10,), 0.1), torch.ones(2, 10))
    monkeypatch.setattr("trimorph.methods.linear.held_out", lambda *_, **__: found)
    linear.review(linear.stages[0], survey)
    assert (int(linear.judged), int(linear.fitted)) == (10, fitted)
    terms = linear(images.batch(torch.arange(20)), linear.stages[1], 0.5)
    terms["likelihood"].backward()
    assert linear.halves.grad is not None
    assert int((linear.halves.grad.abs().sum((0, 2, 3, 4)) > 0).sum()) == fitted


@pytest.mark.parametrize("box", [8, 9])
@pytest.mark.parametrize("modes", [1, 64])
def test_small_boxes_and_many_modes(tmp_path: Path, box: int, modes: int) -> None:
    """More modes than images and voxels support leave everything finite."""
    density = cloud(box, (0.0, 0.0, 0.0), (1.0, 1.0, -1.0))
    images = mix_images(density, torch.ones(130, 1))
    problem = images.problem(density[0])
    linear = Linear(LinearSettings(modes=modes, epochs=1), problem)
    train(linear, images, tmp_path / "run", problem=problem, batch_size=65)
    latents = Latents.load(tmp_path / "run" / "latents" / "0002.npz")
    assert latents.mean.shape == (130, modes)
    assert all(bool(value.isfinite().all()) for value in linear.state_dict().values())
    assert torch.as_tensor(latents.covariance).isfinite().all()
    assert "nan" not in linear.verdict


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("modes", 0, "at least 1 and at most 64"),
        ("modes", 65, "at least 1 and at most 64"),
        ("epochs", 0, "at least 1"),
        ("resolution", 0.0, "more than 0"),
        ("learning_rate", -1.0, "more than 0"),
        ("contrast", -0.1, "at least 0"),
    ],
)
def test_setting_out_of_range(setting: str, value: Any, wanted: str) -> None:
    with pytest.raises(
        InputError, match=f"Found {setting} = {value}; wanted {wanted}.*--{setting.replace('_', '-')}"
    ):
        LinearSettings(**{setting: value})
