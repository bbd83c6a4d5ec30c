"""The method field: it starts at the mean map, and learns one map, two states, and poses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.made_images import PIXEL_SIZE, MadeImages, cloud, make_images, train
from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.core.rotations import rotation_angle, vector_to_matrix
from trimorph.evaluation.recovery import cluster_accuracy
from trimorph.methods.base import Stage
from trimorph.methods.field import Field, FieldSettings
from trimorph.methods.inference import FREE_NATS
from trimorph.methods.latent_settings import Encoder
from trimorph.training.latents import Latents

BOX = 16
TRUNK = [(0.0, 0.0, 0.0), (3.0, 1.0, -1.0), (-1.0, -3.0, 2.0), (0.0, 2.0, 3.0)]
ARM = [(-4.0, 0.0, 0.0), (-4.0, 1.5, -1.0), (-3.0, 0.0, -2.0)]
SMALL: dict[str, Any] = {
    "encoder": "pixels", "width": 48, "layers": 2, "encoder_width": 96, "encoder_layers": 1
}  # fmt: skip


def cloud_pair() -> Tensor:
    """The trunk, and the trunk with its arm."""
    return torch.cat([cloud(BOX, *TRUNK), cloud(BOX, *TRUNK, *ARM)])


def _build(settings: FieldSettings, images: MadeImages, mean: Tensor | None = None) -> Field:
    torch.manual_seed(0)
    return Field(settings, images.problem(mean))


@pytest.fixture(scope="module")
def one() -> MadeImages:
    """Images of one state."""
    return make_images(cloud(BOX, *TRUNK), torch.zeros(400, dtype=torch.long))


@pytest.fixture(scope="module")
def two() -> tuple[MadeImages, Tensor]:
    """Images of two states, and which is which: the second has an arm that the first has not."""
    label = torch.randint(2, (600,), generator=torch.Generator().manual_seed(3))
    return make_images(cloud_pair(), label, noise_level=0.3), label


def test_starts_as_the_mean_map_whatever_the_latent(one: MadeImages) -> None:
    mean = cloud(BOX, *TRUNK)[0]
    field = _build(FieldSettings(**SMALL), one, mean)
    with torch.no_grad():
        density = field.decode(torch.randn(3, field.latent_dim)).voxels(BOX, PIXEL_SIZE)
    torch.testing.assert_close(density, mean.expand(3, -1, -1, -1), rtol=0, atol=0)


def test_nothing_is_added_where_no_image_was_compared(two: tuple[MadeImages, Tensor], tmp_path: Path) -> None:
    """Trained to 16 Å alone, the maps are the mean map beyond, and not before."""
    images, mean = two[0], cloud_pair().mean(0)
    field = _build(FieldSettings(latent_dim=1, epochs=4, **SMALL), images, mean)
    stage = field.stages[0]
    field.decoder.gain.data[5:] = 0.0  # as if learning had begun at 16 Å
    optimiser = torch.optim.Adam(field.parameters(), 1e-2)
    for start in range(0, 600, 50):
        batch = images.batch(torch.arange(start, start + 50)).limit(images.disk.limit(resolution=16.0))
        optimiser.zero_grad()
        torch.stack(list(field(batch, stage, 0.5).values())).sum().backward()
        optimiser.step()
    with torch.no_grad():
        added = field.decode(torch.ones(1, 1)).voxels(BOX, PIXEL_SIZE)[0] - mean
    index = torch.fft.fftfreq(BOX) * BOX
    radius = (index[:, None, None] ** 2 + index[:, None] ** 2 + index**2).sqrt()
    power = torch.fft.fftn(added).abs().square()
    assert float(power[radius > 16 * PIXEL_SIZE / 16.0 + 1].sum()) < 1e-6 * float(power.sum())
    assert float(power.sum()) > 0


def test_mean_map_is_left_out_when_asked(one: MadeImages) -> None:
    mean = cloud(BOX, *TRUNK)[0]
    without, never = (
        _build(FieldSettings(from_mean=from_mean, **SMALL), one, given).decode(torch.zeros(1, 8))
        for from_mean, given in ((False, mean), (True, None))
    )
    with torch.no_grad():
        density = without.voxels(BOX, PIXEL_SIZE)
        assert torch.equal(density, never.voxels(BOX, PIXEL_SIZE))
    assert float(density.std()) > 0


def test_homogeneous_map_is_recovered(one: MadeImages, tmp_path: Path) -> None:
    settings = FieldSettings(latent_dim=0, epochs=10, learning_rate=1e-2, coarse_to_fine=False, **SMALL)
    field = _build(settings, one)
    train(field, one, tmp_path / "run", problem=one.problem())
    with torch.no_grad():
        density = field.decode(torch.zeros(1, 0)).voxels(BOX, PIXEL_SIZE)[0]
    curve = fourier_shell_correlation(density, cloud(BOX, *TRUNK)[0])
    assert float(curve[1 : BOX // 4 + 1].min()) > 0.9
    assert set(field(one.batch(torch.arange(4)), field.stages[-1], 1.0)) == {"likelihood"}
    assert not (tmp_path / "run" / "latents").exists()


@pytest.mark.parametrize("encoder", ["pixels", "none"])
def test_two_states_separate(two: tuple[MadeImages, Tensor], tmp_path: Path, encoder: Any) -> None:
    images, label = two
    settings = FieldSettings(
        latent_dim=2,
        encoder_resolution=12.0 if encoder == "pixels" else None,
        epochs=10,
        learning_rate=1e-2,
        latent_learning_rate=5e-2,
        coarse_to_fine=False,
        **SMALL | {"encoder": encoder},
    )
    mean = cloud_pair().mean(0)
    field = _build(settings, images, mean)
    train(field, images, tmp_path / "run", problem=images.problem(mean))
    latents = Latents.load(tmp_path / "run" / "latents" / "0010.npz")
    assert cluster_accuracy(latents.mean, label.numpy()) >= 0.98
    centres = torch.stack([torch.as_tensor(latents.mean)[label == state].mean(0) for state in (0, 1)])
    with torch.no_grad():
        first, second = field.decode(centres).voxels(BOX, PIXEL_SIZE)
    curve = fourier_shell_correlation(second - first, cloud(BOX, *ARM)[0])
    assert float(curve[1 : BOX // 4].min()) > 0.9


def test_perturbed_poses_are_recovered(tmp_path: Path) -> None:
    """Rotations off by 4 degrees and shifts by a pixel, with the true map as mean, which hardly moves."""
    truth, count = cloud_pair()[1:], 100
    generator = torch.Generator().manual_seed(5)
    turn = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
    shift = torch.nn.functional.normalize(torch.randn(count, 2, generator=generator), dim=-1) * PIXEL_SIZE
    images = make_images(truth, torch.zeros(count, dtype=torch.long), shift=shift, noise_level=0.1)
    exact = images.rotation
    images.rotation = vector_to_matrix(turn * torch.pi * 4 / 180) @ exact
    images.shift = torch.zeros(count, 2)
    settings = FieldSettings(
        latent_dim=0,
        epochs=60,
        learning_rate=1e-6,
        coarse_to_fine=False,
        refine_poses=True,
        pose_start=0,
        pose_learning_rate=0.2,
        pose_angle_deg=4.0,
        pose_distance=PIXEL_SIZE,
        width=4,
        layers=1,
    )
    field = _build(settings, images, truth[0])
    train(field, images, tmp_path / "run", problem=images.problem(truth[0]), batch_size=count)
    assert field.inference.poses is not None
    with torch.no_grad():
        refined, _ = field.inference.poses(images.batch(torch.arange(count)))
    angle = torch.rad2deg(rotation_angle(refined.rotation @ exact.mT))
    assert float(angle.mean()) < 2.0
    assert float((refined.shift - shift).norm(dim=-1).mean()) < 0.1 * PIXEL_SIZE


def test_poses_rest_until_their_stage(one: MadeImages) -> None:
    settings = FieldSettings(refine_poses=True, pose_start=3, epochs=10, **SMALL)
    field = _build(settings, one)
    batch = one.batch(torch.arange(8))
    still, moving = field.stages[0], field.stages[-1]
    assert "poses" not in still.learning_rate
    assert "pose_prior" not in field(batch, still, 0.0)
    assert float(field(batch, moving, 1.0)["pose_prior"].detach()) == 0.0
    assert field.inference.poses is not None
    with torch.no_grad():
        field.inference.poses.rows.weight.fill_(2.0)
    pixels = float(batch.disk.weight.sum())
    # -log N(row; 0, 1) up to a constant, for five components of two standard deviations
    assert float(field(batch, moving, 1.0)["pose_prior"].detach()) == pytest.approx(5 * 2.0 / pixels)


@pytest.mark.parametrize(
    ("encoder", "beta", "warm_up", "progress", "expected"),
    [
        ("pixels", None, 1.0, 0.0, 0.0),
        ("pixels", None, 1.0, 0.25, 1.0),
        ("pixels", None, 1.0, 0.5, 2.0),
        ("pixels", None, 0.5, 1.0, 0.25),
        ("pixels", 3.0, 0.0, 0.0, 3.0),
        ("pixels", 0.0, 0.5, 1.0, 0.0),
        ("object", None, 1.0, 0.25, 0.5),
        ("object", None, 1.0, 0.5, 1.0),
        ("object", None, 1.0, 0.75, 0.625),
        ("object", None, 0.8, 1.0, 0.25),
        ("object", 6.0, 1.0, 0.75, 6.0),
    ],
)
def test_weight_of_the_divergence_follows_its_schedule(
    one: MadeImages, encoder: Encoder, beta: float | None, warm_up: float, progress: float, expected: float
) -> None:
    settings = FieldSettings(latent_dim=4, beta=beta, beta_warm_up=warm_up, **SMALL | {"encoder": encoder})
    field = _build(settings, one, cloud(BOX, *TRUNK)[0])
    batch = one.batch(torch.arange(8))
    term = field(batch, field.stages[-1], progress)["divergence"].detach()
    pixels = float(batch.disk.weight.sum())
    parts = field.encode(batch).divergence().mean(0).detach()
    if encoder == "object" and progress < warm_up:
        parts = parts.clamp_min(FREE_NATS)
    assert float(term) == pytest.approx(expected * float(parts.sum()) / pixels, rel=1e-5)


def test_likelihood_of_the_true_map_is_that_of_the_noise(one: MadeImages) -> None:
    """With the truth as mean map the residual is the noise: half a pixel's worth each."""
    field = _build(FieldSettings(latent_dim=0, **SMALL), one, cloud(BOX, *TRUNK)[0])
    with torch.no_grad():
        loss = field(one.batch(torch.arange(len(one))), field.stages[-1], 1.0)["likelihood"]
    assert float(loss) == pytest.approx(0.5, rel=0.01)


def test_stages_cover_the_epochs_at_finer_and_finer_limits() -> None:
    plan = FieldSettings(epochs=20).stages(diameter=200.0, nyquist=6.0)
    limits = [stage.resolution or 6.0 for stage in plan]
    assert sum(stage.epochs for stage in plan) == 20
    assert limits == pytest.approx([200 / 4.5, 200 / 9, (6 * 200 / 9) ** 0.5, 6.0])
    assert plan[-1].resolution is None
    seen = FieldSettings(epochs=20).stages(diameter=200.0, nyquist=6.0, seen=18.0)
    assert [stage.resolution or 6.0 for stage in seen] == pytest.approx([18.0, 18.0, limits[2], 6.0])
    whole = FieldSettings(epochs=20, coarse_to_fine=False).stages(diameter=200.0, nyquist=6.0)
    assert [(stage.epochs, stage.resolution) for stage in whole] == [(20, None)]


@pytest.mark.parametrize("start", [0, 1, 5, 8, 13, 19])
def test_stages_are_cut_where_poses_begin_to_move(start: int) -> None:
    with_poses = FieldSettings(epochs=20, refine_poses=True, pose_start=start)
    plan = with_poses.stages(diameter=200.0, nyquist=6.0)
    assert sum(stage.epochs for stage in plan if "poses" not in stage.learning_rate) == start
    assert sum(stage.epochs for stage in plan if "poses" in stage.learning_rate) == 20 - start
    assert all(stage.epochs > 0 for stage in plan)

    def limits(stages: tuple[Stage, ...]) -> list[float | None]:
        return [stage.resolution for stage in stages for _ in range(stage.epochs)]

    assert limits(plan) == limits(FieldSettings(epochs=20).stages(diameter=200.0, nyquist=6.0))


def test_one_epoch_has_a_plan() -> None:
    plan = FieldSettings(epochs=1).stages(diameter=200.0, nyquist=6.0)
    assert sum(stage.epochs for stage in plan) == 1
    assert plan[-1].resolution is None


def test_encoder_sees_only_up_to_its_resolution(one: MadeImages) -> None:
    batch = one.batch(torch.arange(8))
    field = _build(FieldSettings(latent_dim=2, encoder_resolution=16.0, **SMALL), one)
    seen = len(batch.disk.limit(resolution=16.0))
    assert 0 < seen < len(batch.disk)
    before = field.encode(batch).mean
    batch.image[:, seen:] = 1e3
    assert torch.equal(field.encode(batch).mean, before)
    batch.image[:, seen - 1] += 1e3
    assert not torch.equal(field.encode(batch).mean, before)


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("latent_dim", -1, "at least 0"),
        ("epochs", 0, "at least 1"),
        ("width", 0, "at least 1"),
        ("layers", 0, "at least 1"),
        ("encoder_width", 0, "at least 1"),
        ("encoder_layers", -2, "at least 1"),
        ("learning_rate", 0.0, "more than 0"),
        ("latent_learning_rate", -1.0, "more than 0"),
        ("pose_learning_rate", float("nan"), "more than 0"),
        ("encoding_sigma", 0.0, "more than 0"),
        ("encoder_resolution", 0.0, "more than 0"),
        ("beta", -0.1, "at least 0"),
        ("beta_warm_up", 1.5, "at least 0 and at most 1"),
        ("pose_angle_deg", 0.0, "more than 0"),
        ("pose_distance", -2.0, "more than 0"),
        ("pose_start", -1, "at least 0"),
    ],
)
def test_setting_out_of_range(setting: str, value: Any, wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        FieldSettings(**{setting: value})
    message = str(caught.value)
    assert f"Found {setting} = {value}; wanted {wanted}" in message
    assert f"--{setting.replace('_', '-')}" in message


def test_poses_that_would_never_move() -> None:
    with pytest.raises(InputError, match=r"Found pose_start = 6 with epochs = 6; wanted .*--pose-start"):
        FieldSettings(refine_poses=True, pose_start=6, epochs=6)


def test_resolution_of_an_encoder_that_sees_none() -> None:
    with pytest.raises(
        InputError, match=r"Found encoder_resolution = 9.0 with the encoder object; wanted .*pixels"
    ):
        FieldSettings(encoder_resolution=9.0)


@pytest.mark.parametrize(("unfold", "progress", "shown"), [(True, 0.1, 1), (True, 0.3, 3), (False, 0.1, 3)])
def test_one_component_is_alone_at_first_where_no_modes_tell_more(
    one: MadeImages, unfold: bool, progress: float, shown: int
) -> None:
    settings = FieldSettings(latent_dim=3, unfold=unfold, **SMALL | {"encoder": "gradient"})
    field = _build(settings, one, cloud(BOX, *TRUNK)[0])
    posterior = field.encode(one.batch(torch.arange(4)))
    opened = field.inference.opened(posterior, progress)
    torch.testing.assert_close(opened.mean[:, :shown], posterior.mean[:, :shown])
    torch.testing.assert_close(opened.covariance[:, :shown, :shown], posterior.covariance[:, :shown, :shown])
    rest = torch.eye(3 - shown).expand(4, -1, -1)
    torch.testing.assert_close(opened.covariance[:, shown:, shown:], rest)
    assert float(opened.mean[:, shown:].abs().sum()) == 0.0


@pytest.mark.parametrize("setting", ["encoding", "encoder"])
def test_choice_that_there_is_not(setting: str) -> None:
    settings = FieldSettings()
    object.__setattr__(settings, setting, "hashed")  # beneath the check of types that tests run under
    with pytest.raises(InputError, match=rf'Found {setting} = "hashed"; wanted one of .*--{setting}'):
        settings.__post_init__()
