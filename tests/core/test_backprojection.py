"""Back-projection: sums against the plain adjoint, densities against truth and dense least squares."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trimorph.core import slice_sums
from trimorph.core.backprojection import BackProjector
from trimorph.core.compiled import has_compiler
from trimorph.core.ctf import CTF
from trimorph.core.density_solver import FourierSums, shell_mean, solve_density
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation, shell_sum
from trimorph.core.gaussians import Gaussians
from trimorph.core.gridding import Gridding
from trimorph.core.rotations import random_rotations
from trimorph.core.voxel_grid import VoxelGrid

ONE = torch.ones(1, 1)


def _rotations(count: int, seed: int = 0) -> Tensor:
    return random_rotations(count, generator=torch.Generator().manual_seed(seed)).float()


def _density(box: int, pixel_size: float) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    position = torch.randn(1, 60, 3, generator=generator) * 0.1 * box * pixel_size
    return Gaussians(position, torch.full((1, 60), 90.0), torch.full((1, 60), 0.9 * pixel_size)).voxels(
        box, pixel_size
    )


def _ctf(count: int) -> CTF:
    defocus = 8000 + 15000 * torch.rand(count, generator=torch.Generator().manual_seed(5))
    return CTF(defocus_u=defocus, defocus_v=defocus - 500, defocus_angle=0.3)


def _slope(truth: Tensor, found: Tensor) -> Tensor:
    f, g = torch.fft.rfftn(truth), torch.fft.rfftn(found)
    return shell_sum((f.conj() * g).real) / shell_sum(f.abs() ** 2)


@pytest.mark.skipif(not has_compiler(), reason="numba is not installed")
@pytest.mark.parametrize("width", [2, 3])
def test_compiled_sums_equal_those_of_torch(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, rotation = FourierDisk(17, 2.0), _rotations(9)
    image = torch.randn(9, len(disk), dtype=torch.complex64, generator=torch.Generator().manual_seed(1))

    def sums() -> FourierSums:
        projector = BackProjector(disk, gridding=Gridding(width))
        projector.insert(image, rotation, transfer=_ctf(9)(disk), precision=torch.full((9, 1), 2.0))
        return projector.sums()

    compiled = sums()
    monkeypatch.setattr(slice_sums, "compiled", lambda _: None)
    plain = sums()
    for ours, theirs in ((compiled.numerator, plain.numerator), (compiled.weight, plain.weight)):
        assert float((ours - theirs).abs().max()) < 1e-5 * float(theirs.abs().max())


@pytest.mark.parametrize("width", [2, 3, 4])
def test_sums_are_the_plain_adjoint_of_points_and_their_mates(width: int) -> None:
    disk, rotation, gridding = FourierDisk(9, 2.0), _rotations(7), Gridding(width)
    image = torch.randn(7, len(disk), dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    ctf, precision = _ctf(7)(disk), torch.rand(7, 1, generator=torch.Generator().manual_seed(2))
    projector = BackProjector(disk, gridding=gridding)
    projector.insert(image, rotation, transfer=ctf, precision=precision)
    sums = projector.sums()

    point = 2 * torch.einsum("bji,nj->bni", rotation[:, :2], disk.index.float()).flatten(0, 1)
    share = (0.5 * disk.weight * precision).expand(7, -1)
    value = torch.stack([image.real * share * ctf, image.imag * share * ctf, share * ctf**2], -1).flatten(
        0, 1
    )
    size = 37
    grid = gridding.spread(value, point, size) + gridding.spread(
        value * torch.tensor([1.0, -1.0, 1.0]), -point, size
    )
    middle, reach = size // 2, 8
    kept = slice(middle - reach, middle + reach + 1)
    inside = torch.arange(-reach, reach + 1) ** 2
    inside = (inside[:, None, None] + inside[:, None] + inside[reach:]) < 81
    plain = grid[kept, kept, middle : middle + reach + 1] * inside[..., None]
    axis = torch.arange(-reach, reach + 1) % 18
    numerator = sums.numerator[axis[:, None], axis, : reach + 1]
    torch.testing.assert_close(torch.view_as_real(numerator), plain[..., :2].contiguous(), atol=2e-3, rtol=0)
    torch.testing.assert_close(
        sums.weight[axis[:, None], axis, : reach + 1], plain[..., 2], atol=2e-3, rtol=0
    )


@pytest.mark.parametrize("box", [24, 25])
def test_density_comes_back_on_the_scale_of_the_images(box: int) -> None:
    truth, disk, rotation = _density(box, 3.0), FourierDisk(box, 3.0), _rotations(600)
    ctf = _ctf(600)(disk)
    projector = BackProjector(disk)
    projector.insert(
        VoxelGrid(truth, 3.0, Gridding(6)).project(rotation, disk) * ctf,
        rotation,
        transfer=ctf,
        precision=ONE,
    )
    found = projector.solve()
    shells = slice(1, box // 2 - 2)
    assert fourier_shell_correlation(truth[0], found)[shells].min() > 0.999
    assert (_slope(truth[0], found)[shells] - 1).abs().max() < 0.01


def test_steps_take_away_the_blur_of_steep_weights() -> None:
    truth, disk, rotation = _density(24, 3.0), FourierDisk(24, 3.0), _rotations(600)
    ctf = _ctf(600)(disk)
    projector = BackProjector(disk, gridding=Gridding(3))
    image = VoxelGrid(truth, 3.0, Gridding(6)).project(rotation, disk) * ctf
    projector.insert(image, rotation, transfer=ctf, precision=ONE)
    error = [
        (_slope(truth[0], solve_density(projector.sums(), gridding=Gridding(3), steps=steps))[2:6] - 1)
        .abs()
        .max()
        for steps in (0, 1, 3)
    ]
    assert error[0] > 0.015
    assert error[1] < 0.01
    assert error[2] < 0.005


def test_many_steps_reach_the_dense_regularised_least_squares_solution() -> None:
    box, gridding = 12, Gridding(8)
    disk, rotation = FourierDisk(box, 2.0).limit(radius=3.5), _rotations(40)
    generator = torch.Generator().manual_seed(4)
    image = VoxelGrid(_density(box, 2.0), 2.0, gridding).project(rotation, disk)
    image = image + 5 * torch.randn(40, len(disk), dtype=torch.complex64, generator=generator)
    precision = 0.5 + torch.rand(40, 1, generator=generator)
    projector = BackProjector(disk, gridding=gridding)
    projector.insert(image, rotation, transfer=ONE, precision=precision)
    sums = projector.sums()
    ssnr = torch.full((box // 2 + 1,), 2.0)
    found = solve_density(sums, gridding=gridding, ssnr=ssnr, steps=40).double()

    # the gradient of the squares, by exact Fourier sums, and that of the prior must cancel
    axis = torch.arange(box, dtype=torch.float64) - box // 2
    voxel = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).flatten(0, 2).flip(-1)
    point = torch.einsum("bji,nj->bni", rotation[:, :2], disk.index.float()).flatten(0, 1).double() / box
    angle = -2 * torch.pi * point @ voxel.T
    matrix = torch.polar(torch.ones_like(angle), angle)
    share = (precision * disk.weight).expand(40, -1).flatten().double()
    residual = image.flatten() - matrix @ found.flatten().to(matrix.dtype)
    gradient = (matrix.mH @ (share * residual)).real.unflatten(0, (box, box, box))
    k = torch.fft.fftfreq(2 * box, 1 / box, dtype=torch.float64)
    radius = (k[:, None, None] ** 2 + k[:, None] ** 2 + k[: box + 1] ** 2).sqrt()
    mean = shell_mean(sums.weight).double() / float(gridding.taper(box)[box // 2]) ** 3
    below = radius.long().clamp(max=box // 2)
    prior = 0.5 * torch.lerp(mean[below], mean[(below + 1).clamp(max=box // 2)], radius - radius.floor())
    prior = prior * (radius <= radius[sums.weight > 0].max() + 1e-3)
    inner = slice(box // 2, box // 2 + box)
    padded = torch.zeros(2 * box, 2 * box, 2 * box, dtype=torch.float64)
    padded[inner, inner, inner] = found
    held = torch.fft.irfftn(prior * torch.fft.rfftn(padded), s=padded.shape)[inner, inner, inner]
    held = held * (2 * box) ** 3
    core = slice(box // 4, box - box // 4)  # the grid's own period blurs the corners
    assert (gradient - held)[core, core, core].norm() < 0.02 * held[core, core, core].norm()


def test_a_limit_gives_the_same_low_frequencies_on_a_smaller_grid() -> None:
    truth, disk, rotation = _density(24, 3.0), FourierDisk(24, 3.0), _rotations(400)
    image = VoxelGrid(truth, 3.0).project(rotation, disk)
    coarse = disk.limit(radius=6.0)
    whole, part = BackProjector(disk), BackProjector(coarse)
    whole.insert(image, rotation, transfer=ONE, precision=ONE)
    part.insert(image[:, : len(coarse)], rotation, transfer=ONE, precision=ONE)
    assert fourier_shell_correlation(whole.solve(), part.solve())[:6].min() > 0.995
    assert _slope(truth[0], part.solve())[8:].abs().max() < 0.05


def test_weights_count_like_repeated_images_and_sums_add_up() -> None:
    disk, rotation = FourierDisk(12, 3.0), _rotations(30)
    image = torch.randn(30, len(disk), dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    precision = torch.ones(30, 1)
    precision[:10], precision[10:20] = 2.0, 0.0
    weighted, first, second = BackProjector(disk), BackProjector(disk), BackProjector(disk)
    weighted.insert(image, rotation, transfer=ONE, precision=precision)
    first.insert(image[:10], rotation[:10], transfer=ONE, precision=ONE)
    for rows in (slice(0, 10), slice(20, 30)):
        second.insert(image[rows], rotation[rows], transfer=ONE, precision=ONE)
    both = (first + second).sums()
    torch.testing.assert_close(both.numerator, weighted.sums().numerator, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(both.weight, weighted.sums().weight, atol=1e-4, rtol=1e-5)


def test_sums_of_different_grids_cannot_be_added() -> None:
    disk = FourierDisk(12, 3.0)
    with pytest.raises(
        InputError, match=r"found boxes 12 and 12 with limits 5\.\d and 3\.0 .* wanted the same"
    ):
        BackProjector(disk) + BackProjector(disk.limit(radius=3.0))


def test_a_prior_damps_by_the_wiener_factor() -> None:
    truth, disk, rotation = _density(24, 3.0), FourierDisk(24, 3.0), _rotations(1500)
    projector = BackProjector(disk)
    projector.insert(
        VoxelGrid(truth, 3.0, Gridding(6)).project(rotation, disk), rotation, transfer=ONE, precision=ONE
    )
    slope = _slope(truth[0], projector.solve(torch.full((13,), 3.0)))
    assert (slope[6:11] - 0.75).abs().max() < 0.05  # ssnr / (1 + ssnr)


def test_no_images_give_an_empty_map() -> None:
    assert not BackProjector(FourierDisk(8, 3.0)).solve().any()
