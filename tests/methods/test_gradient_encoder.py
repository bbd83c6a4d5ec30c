"""The gradient encoder: derivatives by finite differences, their units, poses and shifts, and two states."""

from __future__ import annotations

from dataclasses import replace
from math import pi
from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.made_images import PIXEL_SIZE, MadeImages, cloud, make_images, train
from trimorph.core.batch import Batch
from trimorph.core.errors import InputError
from trimorph.core.imaging import render_batch, shift_phase
from trimorph.core.losses import whitened_likelihood
from trimorph.core.rotations import vector_to_matrix
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.evaluation.recovery import cluster_accuracy
from trimorph.methods.field import Field, FieldSettings
from trimorph.methods.gradient_encoder import ANCHORS, GradientEncoder
from trimorph.methods.image_symmetry import ImageSymmetry
from trimorph.training.latents import Latents

BOX, RESOLUTION = 16, 12.0
TRUNK = [(0.0, 0.0, 0.0), (3.0, 1.0, -1.0), (-1.0, -3.0, 2.0), (0.0, 2.0, 3.0)]
ARM = [(-4.0, 0.0, 0.0), (-4.0, 1.5, -1.0), (-3.0, 0.0, -2.0)]


def _states() -> Tensor:
    return torch.cat([cloud(BOX, *TRUNK), cloud(BOX, *TRUNK, *ARM)])


@pytest.fixture(scope="module")
def one() -> MadeImages:
    """Images of one state."""
    return make_images(_states()[1:], torch.zeros(1000, dtype=torch.long))


@pytest.fixture(scope="module")
def two() -> tuple[MadeImages, Tensor]:
    """Images of two states, and which is which."""
    label = torch.randint(2, (600,), generator=torch.Generator().manual_seed(3))
    return make_images(_states(), label, noise_level=0.3), label


def _encoder(images: MadeImages, mean: Tensor) -> GradientEncoder:
    torch.manual_seed(0)
    problem = replace(images.problem(mean), mask=None)
    return GradientEncoder(problem, 2, width=16, layers=1, resolution=RESOLUTION)


def _likelihood(encoder: GradientEncoder, batch: Batch, change: Tensor) -> Tensor:
    """Log-likelihood of the mean map's image and what a change adds to it, in double precision."""
    predicted = render_batch(encoder.neutral.mean, batch) + (
        render_batch(encoder.neutral.changed(change), batch)
        - render_batch(encoder.neutral.changed(torch.zeros_like(change)), batch)
    )
    power = torch.full(batch.image.shape, float(encoder.noise_power[0, 0])).double()
    image, predicted = batch.image.to(torch.complex128), predicted.to(torch.complex128)
    return -whitened_likelihood(predicted, image, power=power, disk=batch.disk)


def test_gradient_is_that_of_the_likelihood(two: tuple[MadeImages, Tensor]) -> None:
    """By differences between small moves and growths of one anchor at a time."""
    images, _ = two
    encoder, batch = _encoder(images, _states().mean(0)), images.batch(torch.arange(8))
    found, seen = encoder.gradient(batch), batch.limit(encoder.disk)
    for anchor in (0, 5, ANCHORS - 1):
        for kind, step in enumerate((0.1, 0.1, 0.1, 0.05)):
            change = torch.zeros(8, ANCHORS, 4)
            change[:, anchor, kind] = step
            up, down = (_likelihood(encoder, seen, sign * change) for sign in (1, -1))
            scale = encoder.information(batch)[:, anchor, kind].sqrt()
            error = (found[:, anchor, kind] - (up - down) / (2 * step)) / scale
            assert float(error.abs().max()) < 0.01


def test_all_anchors_together_move_and_grow_the_whole_map() -> None:
    """The sum over anchors is the derivative by a shift and by a factor, here of the Gaussians' voxels."""
    density = cloud(BOX, *TRUNK)
    images = make_images(_states()[1:], torch.zeros(20, dtype=torch.long), noise_level=0.05)
    encoder = _encoder(images, density[0])
    batch = images.batch(torch.arange(20)).limit(encoder.disk)
    total = encoder.gradient(batch).sum(1)
    fine = VoxelGrid(encoder.neutral.gaussians.voxels(2 * BOX, PIXEL_SIZE / 2), PIXEL_SIZE / 2)
    part, mean = (render_batch(grid, batch) for grid in (fine, VoxelGrid(density, PIXEL_SIZE)))
    weight = batch.disk.weight / encoder.noise_power[0, 0]
    difference = (batch.image - mean).conj() * weight
    growth = (difference * part).real.sum(1)
    kx, ky = batch.disk.frequency.unbind(1)
    in_plane = torch.stack([(difference * part * -2j * pi * k).real.sum(1) for k in (kx, ky)], 1)
    move = torch.einsum("bij,bi->bj", batch.rotation[:, :2], in_plane)
    for ours, wanted in ((total[:, 3], growth), (total[:, :3], move)):
        assert float((ours - wanted).norm() / wanted.norm()) < 0.01


def test_features_of_noise_have_mean_0_and_variance_1(one: MadeImages) -> None:
    features = _encoder(one, _states()[1]).features(one.batch(torch.arange(len(one))))
    assert float(features.mean(0).abs().max()) < 4.5 / len(one) ** 0.5
    variance = features.unflatten(1, (ANCHORS, 4)).var(0)
    assert variance.mean(0).tolist() == pytest.approx([1.0] * 4, abs=0.03)
    assert float((variance - 1).abs().max()) < 0.25


def test_nothing_is_said_of_moves_along_the_view(one: MadeImages) -> None:
    batch = one.batch(torch.arange(50))
    moves = _encoder(one, _states()[1]).gradient(batch)[..., :3]
    along = torch.einsum("bkj,bj->bk", moves, batch.rotation[:, 2])
    assert float(along.abs().max()) < 1e-4 * float(moves.abs().max())


def test_an_image_that_is_turned_with_its_pose_has_the_same_features(one: MadeImages) -> None:
    """A quarter turn of the pixels is exact; with it the CTF's axis turns."""
    encoder, batch = _encoder(one, _states()[1]), one.batch(torch.arange(20))
    disk = batch.disk
    turned = ImageSymmetry(disk)(batch.image)[:, 1]
    # the symmetry takes the value at a moved frequency, so it turns the image the other way
    axis = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    ctf = replace(batch.ctf, defocus_angle=batch.ctf.defocus_angle - pi / 2)
    moved = replace(batch, image=turned, ctf=ctf).pose(axis @ batch.rotation, batch.shift)
    torch.testing.assert_close(encoder.features(moved), encoder.features(batch), rtol=1e-3, atol=2e-3)


def test_poses_and_shifts_that_move_are_followed(one: MadeImages) -> None:
    encoder, batch = _encoder(one, _states()[1]), one.batch(torch.arange(20))
    before = encoder.features(batch)
    shift = torch.full((20, 2), 3.0)
    moved = replace(batch, image=batch.image * shift_phase(-shift, batch.disk), shift=shift)
    torch.testing.assert_close(encoder.features(moved), before, rtol=1e-3, atol=1e-3)
    turn = vector_to_matrix(torch.full((20, 3), 0.2))
    pose = (turn @ batch.rotation).requires_grad_()
    turned = encoder.features(batch.pose(pose, batch.shift))
    assert float((turned - before).abs().max()) > 0.5
    assert not turned.requires_grad


def test_a_coarser_batch_is_seen_to_its_own_limit(one: MadeImages) -> None:
    encoder, batch = _encoder(one, _states()[1]), one.batch(torch.arange(len(one)))
    coarse = encoder.features(batch.limit(batch.disk.limit(resolution=20.0)))
    assert float(coarse.var(0).mean()) == pytest.approx(1.0, abs=0.03)
    fine = replace(batch, image=batch.image.clone())
    fine.image[:, len(encoder.disk) :] = 1e3
    assert torch.equal(encoder.features(fine), encoder.features(batch))


def test_gaussians_stand_where_the_mask_allows(one: MadeImages) -> None:
    half = torch.zeros(BOX, BOX, BOX)
    half[..., BOX // 2 :] = 1.0
    problem = one.problem(_states()[1], mask=half)
    masked = GradientEncoder(problem, 2, width=8, layers=1, resolution=RESOLUTION)
    assert float(masked.neutral.gaussians.position[..., 0].min()) > -PIXEL_SIZE
    everywhere = _encoder(one, _states()[1])
    assert float(everywhere.neutral.gaussians.position[..., 0].min()) < -2 * PIXEL_SIZE
    assert torch.equal(masked.mean, everywhere.mean)


def test_more_anchors_than_gaussians(one: MadeImages) -> None:
    """A map of a few voxels: the anchors that are left over say nothing."""
    point = torch.zeros(BOX, BOX, BOX)
    point[8, 8, 8] = 5.0
    encoder = _encoder(one, point)
    count = encoder.neutral.gaussians.position.shape[1]
    features = encoder.features(one.batch(torch.arange(10))).unflatten(1, (ANCHORS, 4))
    assert count < ANCHORS
    assert features.isfinite().all()
    assert (features[:, :count] != 0).any()
    assert not features[:, count:].any()


@pytest.mark.parametrize(
    ("mean", "message"),
    [
        (None, "found a problem without a mean map; wanted one"),
        (torch.zeros(BOX, BOX, BOX), "found a mean map without positive density where it may vary"),
    ],
)
def test_a_problem_without_density_is_refused(one: MadeImages, mean: Tensor | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        GradientEncoder(one.problem(mean), 2, width=8, layers=1)


def test_field_separates_two_states(two: tuple[MadeImages, Tensor], tmp_path: Path) -> None:
    images, label = two
    settings = FieldSettings(
        latent_dim=2, epochs=4, learning_rate=1e-2, coarse_to_fine=False, encoder="gradient",
        encoder_resolution=RESOLUTION, width=48, layers=2, encoder_width=96, encoder_layers=1,
    )  # fmt: skip
    mean = _states().mean(0)
    torch.manual_seed(0)
    problem = replace(images.problem(mean), mask=None)
    train(Field(settings, problem), images, tmp_path / "run", problem=problem)
    latents = Latents.load(tmp_path / "run" / "latents" / "0004.npz")
    assert cluster_accuracy(latents.mean, label.numpy()) >= 0.98
