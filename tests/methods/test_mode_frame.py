"""The likelihood of images under modes of density, against the dense Gaussian over their pixels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from methods.made_images import PIXEL_SIZE, MadeImages, cloud, mix_images
from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.imaging import render
from trimorph.core.noise import NoiseModel
from trimorph.core.voxel_grid import VoxelGrid, resample
from trimorph.methods.mode_frame import ModeFrame, coarsest_grid

NOISE = 0.5
RESOLUTION = 12.0


def _densities(box: int) -> Tensor:
    """Mean and two modes."""
    trunk, first, second = (0.0, 0.0, 0.0), (2.0, 1.0, -1.0), (-1.0, 1.0, 2.0)
    return torch.cat([cloud(box, trunk), cloud(box, first) - cloud(box, trunk), 0.5 * cloud(box, second)])


@pytest.fixture(params=[10, 11], scope="module")
def images(request: pytest.FixtureRequest) -> MadeImages:
    z = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    return mix_images(_densities(request.param), torch.cat([torch.ones(6, 1), z], 1), noise_level=NOISE)


def _frame(images: MadeImages, *, contrast: float = 0.0) -> tuple[ModeFrame, Tensor]:
    """A frame, and the modes on its grid."""
    mean, *modes = _densities(images.disk.box)
    frame = ModeFrame(mean, images.noise, disk=images.disk, resolution=RESOLUTION, contrast=contrast)
    on_grid = resample(torch.stack(modes), PIXEL_SIZE, box=frame.box, pixel_size=frame.pixel_size)
    return frame, on_grid


def _whole(images: MadeImages) -> Batch:
    return images.batch(torch.arange(len(images)))


def _pixels(density: Tensor, batch: Batch, disk: FourierDisk) -> Tensor:
    """Images (b, pixels) of one density at the batch's poses and CTFs, up to the end of the disk."""
    grid = VoxelGrid(density[None], PIXEL_SIZE)
    slices = render(grid, rotation=batch.rotation, shift=None, ctf=batch.ctf, disk=disk)
    return disk.inverse(slices).flatten(1).double()


def _dense(images: MadeImages, modes: Tensor, *, contrast: float = 0.0) -> Tensor:
    """Log-density of each image by the covariance of all its pixels."""
    batch, disk = _whole(images), images.disk.limit(resolution=RESOLUTION)
    mean = _densities(disk.box)[0]
    observed = disk.inverse(batch.image[:, : len(disk)]).flatten(1).double()
    columns = [contrast * _pixels(mean, batch, disk), *(_pixels(mode, batch, disk) for mode in modes)]
    design = torch.stack(columns, -1)
    covariance = NOISE**2 * torch.eye(disk.box**2).double() + design @ design.mT
    return MultivariateNormal(_pixels(mean, batch, disk), covariance).log_prob(observed)


@pytest.mark.parametrize("contrast", [0.0, 0.3])
@pytest.mark.parametrize("count", [1, 2])
def test_likelihood_is_that_of_the_dense_gaussian(images: MadeImages, contrast: float, count: int) -> None:
    """Up to the same constant for all models: so, what the modes add to having none."""
    frame, modes = _frame(images, contrast=contrast)
    _, found = frame.posterior(modes[None, :count], _whole(images))
    plain, _ = _frame(images)
    _, nothing = plain.posterior(0 * modes[None, :1], _whole(images))
    truth = _densities(images.disk.box)[1 : 1 + count]
    expected = _dense(images, truth, contrast=contrast) - _dense(images, 0 * truth)
    assert float(expected.mean()) > 5
    torch.testing.assert_close((found - nothing).double(), expected, rtol=0.02, atol=0.1)


def test_contrast_comes_first_and_is_nobodys_latent(images: MadeImages) -> None:
    frame, modes = _frame(images, contrast=0.3)
    found, _ = frame.posterior(modes[None], _whole(images))
    assert found.mean.shape == (6, 3)
    brighter = replace(_whole(images), image=1.4 * _whole(images).image)
    contrast = frame.posterior(modes[None], brighter)[0].mean[:, 0] - found.mean[:, 0]
    assert bool((0.3 * contrast > 0.2).all())


def test_each_image_has_the_set_that_it_is_told(images: MadeImages) -> None:
    frame, modes = _frame(images)
    which = torch.tensor([0, 1, 1, 0, 1, 0])
    sets = torch.stack([modes, modes.flip(1)])
    _, both = frame.posterior(sets, _whole(images), which=which)
    alone = [frame.posterior(one[None], _whole(images))[1] for one in sets]
    torch.testing.assert_close(both, torch.where(which == 0, *alone))


def test_shifts_that_are_left_are_undone(images: MadeImages) -> None:
    weight = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    shift = torch.tensor([[5.0, -3.0]]).expand(6, 2)
    still, moved = (
        mix_images(_densities(images.disk.box), weight, noise_level=0.05, shift=some)
        for some in (None, shift)
    )
    frame, modes = _frame(still)
    for one, other in zip(
        *(frame.posterior(modes[None], _whole(made))[0].mean.unbind(1) for made in (still, moved)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)


def test_what_lies_beyond_the_resolution_is_not_seen(images: MadeImages) -> None:
    frame, modes = _frame(images)
    before, _ = frame.posterior(modes[None], _whole(images))
    batch = _whole(images)
    batch.image[:, len(frame.disk) :] = 1e3
    after, _ = frame.posterior(modes[None], batch)
    assert torch.equal(before.mean, after.mean)


def test_noise_of_each_group_counts(images: MadeImages) -> None:
    """A group with four times the noise power knows a quarter."""
    frame, modes = _frame(images)
    power = torch.cat([images.noise.power, 4 * images.noise.power])
    loud = ModeFrame(
        _densities(images.disk.box)[0], NoiseModel(power), disk=images.disk, resolution=RESOLUTION
    )
    group = torch.tensor([0, 1, 0, 1, 0, 1])
    found, _ = loud.posterior(modes[None], replace(_whole(images), group=group))
    plain, _ = frame.posterior(modes[None], _whole(images))
    unit = torch.eye(2)
    known, all_known = (part.covariance.inverse() - unit for part in (found, plain))
    share = torch.where(group == 0, 1.0, 0.25)
    torch.testing.assert_close(known, share[:, None, None] * all_known, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(("box", "resolution"), [(8, 100.0), (8, 8.1), (9, 20.0), (64, 30.0), (65, 17.0)])
def test_grids_are_as_coarse_as_their_disk_allows(box: int, resolution: float) -> None:
    disk = FourierDisk(box, PIXEL_SIZE).limit(resolution=resolution)
    grid, pixel_size = coarsest_grid(disk)
    assert grid * pixel_size == pytest.approx(box * PIXEL_SIZE)
    assert float(disk.radius[-1]) < grid / 2 <= box / 2
