"""The object-frame encoder: the posterior of the modes at the image's own pose, CTF and shift."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.made_images import PIXEL_SIZE, MadeImages, cloud, make_images, train
from trimorph.core.errors import InputError
from trimorph.core.imaging import shift_phase
from trimorph.core.rotations import random_rotations
from trimorph.core.voxel_grid import VoxelGrid, resample
from trimorph.evaluation.recovery import cluster_accuracy
from trimorph.methods.base import Problem
from trimorph.methods.field import Field, FieldSettings
from trimorph.methods.inference import Inference
from trimorph.methods.mode_frame import coarsest_grid
from trimorph.methods.object_frame import ObjectFrameEncoder
from trimorph.training.latents import Latents

BOX, RESOLUTION = 16, 12.0
TRUNK = [(0.0, 0.0, 0.0), (3.0, 1.0, -1.0), (-1.0, -3.0, 2.0), (0.0, 2.0, 3.0)]
ARM = [(-4.0, 0.0, 0.0), (-4.0, 1.5, -1.0), (-3.0, 0.0, -2.0)]


def _states() -> Tensor:
    return torch.cat([cloud(BOX, *TRUNK), cloud(BOX, *TRUNK, *ARM)])


def _problem(images: MadeImages) -> Problem:
    """Told of the mean of both states, and of half their difference as the one mode there is."""
    first, second = _states()
    box, pixel_size = coarsest_grid(images.disk.limit(resolution=RESOLUTION))
    mode = resample(0.5 * (second - first), PIXEL_SIZE, box=box, pixel_size=pixel_size)
    return replace(images.problem(_states().mean(0)), modes=mode[None], modes_resolution=RESOLUTION)


@pytest.fixture(scope="module")
def two() -> tuple[MadeImages, Tensor]:
    label = torch.randint(2, (600,), generator=torch.Generator().manual_seed(3))
    return make_images(_states(), label, noise_level=0.3), label


def _encoder(images: MadeImages) -> ObjectFrameEncoder:
    return ObjectFrameEncoder(_problem(images), 2, width=16, layers=1)


def test_first_feature_is_the_amplitude_of_the_mode(two: tuple[MadeImages, Tensor]) -> None:
    """-1 for the first state and +1 for the second, within the deviation that the second feature tells."""
    images, label = two
    features = _encoder(images).features(images.batch(torch.arange(len(images))))
    assert features.shape == (len(images), 2)
    error = (features[:, 0] - (2.0 * label - 1)) / features[:, 1].sqrt()
    assert float(error.square().mean()) == pytest.approx(1.0, abs=0.35)


def test_poses_and_shifts_that_move_are_followed(two: tuple[MadeImages, Tensor]) -> None:
    images, _ = two
    encoder, batch = _encoder(images), images.batch(torch.arange(20))
    before = encoder.features(batch)
    shift = torch.full((20, 2), 3.0)
    moved = replace(batch, image=batch.image * shift_phase(-shift, batch.disk), shift=shift)
    torch.testing.assert_close(encoder.features(moved), before, rtol=1e-3, atol=1e-3)
    turned = batch.pose(random_rotations(20, generator=torch.Generator().manual_seed(1)).float(), batch.shift)
    assert float((encoder.features(turned) - before).abs().max()) > 0.1


@pytest.mark.parametrize("refresh", [False, True])
def test_field_separates_two_states_in_few_epochs(
    two: tuple[MadeImages, Tensor], tmp_path: Path, refresh: bool
) -> None:
    images, label = two
    settings = FieldSettings(
        latent_dim=2, epochs=3, learning_rate=1e-2, coarse_to_fine=refresh, refresh_modes=refresh,
        width=48, layers=2, encoder_width=32, encoder_layers=1,
    )  # fmt: skip
    torch.manual_seed(0)
    train(Field(settings, _problem(images)), images, tmp_path / "run", problem=_problem(images))
    latents = Latents.load(tmp_path / "run" / "latents" / "0003.npz")
    assert cluster_accuracy(latents.mean, label.numpy()) >= 0.98


def test_latents_start_along_what_the_modes_tell(two: tuple[MadeImages, Tensor]) -> None:
    """Before any step of training the first component separates the states, and the second is the prior."""
    images, label = two
    batch = images.batch(torch.arange(len(images)))
    told = replace(_problem(images), mode_latents=_encoder(images).features(images.batch(torch.arange(400))))
    field = Field(FieldSettings(latent_dim=2, encoder_width=32, encoder_layers=1), told)
    assert [line for line in field.begin() if line.startswith("latents: 1 of 2 start along")]
    with torch.no_grad():
        posterior = field.encode(batch)
    assert cluster_accuracy(posterior.mean[:, :1].numpy(), label.numpy()) >= 0.98
    assert float(posterior.divergence()[:, 1].mean()) < 0.05
    held, free = (field.inference.opened(field.encode(batch), progress) for progress in (0.1, 0.3))
    assert (held.mean.requires_grad, free.mean.requires_grad) == (False, True)
    torch.testing.assert_close(held.mean, free.mean)


def test_a_density_is_placed_where_its_images_are(two: tuple[MadeImages, Tensor]) -> None:
    """So latents are counted from there, and their prior still lies about the middle of all."""
    images, label = two
    batch = images.batch(torch.arange(len(images)))
    told = replace(_problem(images), mode_latents=_encoder(images).features(images.batch(torch.arange(400))))
    inference = Inference(FieldSettings(latent_dim=2, encoder_width=32, encoder_layers=1), told)
    assert isinstance(inference.encoder, ObjectFrameEncoder)
    list(inference.begin())
    with torch.no_grad():
        said = inference(batch, images.noise)
        divergence = inference.prior(said, batch.disk, 0.9)["divergence"]
        for number, state in enumerate(_states()):
            lines = list(inference.begin(VoxelGrid(state[None], PIXEL_SIZE)))
            assert "counted from where the start lies" in lines[-1]
            moved = inference(batch, images.noise)
            assert float(moved.mean[label == number, 0].mean().abs()) < 0.15
            assert float(moved.mean[label != number, 0].mean().abs()) > 1.5
            torch.testing.assert_close(
                moved.moved(inference.origin).mean[:, 1], said.mean[:, 1], atol=0.1, rtol=0
            )
            again = inference.prior(moved, batch.disk, 0.9)["divergence"]
            assert float(again) == pytest.approx(float(divergence), rel=0.1)
    old = inference.state_dict()
    del old["origin"]  # as checkpoints were before
    inference.load_state_dict(old)
    assert not inference.origin.any()


def test_images_begin_coarse_while_latents_are_held(two: tuple[MadeImages, Tensor]) -> None:
    """From the particle's radius to all that there is, and all of it where latents start anywhere."""
    images, _ = two
    batch = images.batch(torch.arange(4))
    told = replace(_problem(images), mode_latents=_encoder(images).features(images.batch(torch.arange(400))))
    inference = Inference(FieldSettings(latent_dim=2, encoder_width=32, encoder_layers=1), told)
    assert len(inference.coarse(batch, 0.0).disk) == len(batch.disk)
    list(inference.begin())
    first, *between, last = (inference.coarse(batch, 0.2 * step / 9).disk for step in range(10))
    assert len(first) == len(batch.disk.limit(resolution=told.radius))
    sizes = [len(disk) for disk in (first, *between, last)]
    assert sizes == sorted(sizes)
    assert len(last) == len(inference.coarse(batch, 0.5).disk) == len(batch.disk)


def test_nothing_is_told_where_latents_are_not_to_unfold(two: tuple[MadeImages, Tensor]) -> None:
    images, _ = two
    features = _encoder(images).features(images.batch(torch.arange(100)))
    settings = FieldSettings(latent_dim=2, unfold=False)
    assert not list(Field(settings, replace(_problem(images), mode_latents=features)).begin())


def test_a_problem_without_modes_is_refused(two: tuple[MadeImages, Tensor]) -> None:
    images, _ = two
    with pytest.raises(InputError, match="without mean or modes; wanted both"):
        ObjectFrameEncoder(replace(_problem(images), modes=None), 2, width=16, layers=1)
