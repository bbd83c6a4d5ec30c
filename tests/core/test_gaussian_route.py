"""The choice of route: what the fastest is, what goes together, and that no choice changes the slices."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from torch import Tensor

from core.direct_sum import direct_project
from trimorph.core import gaussian_route
from trimorph.core.disk import FourierDisk
from trimorph.core.gaussian_product import ProductRoute
from trimorph.core.gaussian_route import COSTS, Costs, fastest
from trimorph.core.gaussian_splat import SplatRoute
from trimorph.core.gaussians import Gaussians
from trimorph.core.rotations import euler_to_matrix, random_rotations


def _prefer(monkeypatch: pytest.MonkeyPatch, route: type) -> None:
    """Make one route cost nothing."""
    free = {"multiply": 0.0, "wave": 0.0, "product_call": -1.0}
    if route is SplatRoute:
        free = {"tap": 0.0, "grid": 0.0, "splat_call": -1.0}
    costs = Costs(**{field.name: 1.0 for field in fields(Costs)} | free)
    monkeypatch.setattr(gaussian_route, "COSTS", dict.fromkeys(COSTS, costs))


def _cloud(count: int, *, widths: tuple[float, float], seed: int = 0) -> Gaussians:
    generator = torch.Generator().manual_seed(seed)
    width = widths[0] * (widths[1] / widths[0]) ** torch.rand(1, count, generator=generator)
    position = 20 * torch.randn(1, count, 3, generator=generator)
    return Gaussians(position, torch.rand(1, count, generator=generator), width)


def test_few_gaussians_go_by_the_product_and_many_by_the_grid() -> None:
    disk = FourierDisk(128, 1.0)
    few, many = (fastest(torch.full((1, count), 1.2 / 128), disk, images=32) for count in (20, 10_000))
    assert [type(share.route) for share in few] == [ProductRoute]
    assert [type(share.route) for share in many] == [SplatRoute]


def test_a_coarse_disk_gets_a_coarse_grid() -> None:
    width, disk = torch.full((1, 10_000), 0.004), FourierDisk(256, 1.0)
    fine, coarse = (fastest(width, limit, images=8)[0].route for limit in (disk, disk.limit(radius=30.0)))
    assert isinstance(fine, SplatRoute)
    assert not isinstance(coarse, SplatRoute) or coarse.size < 0.6 * fine.size


def test_broad_gaussians_reach_a_part_of_the_disk() -> None:
    disk = FourierDisk(128, 1.0)
    (share,) = fastest(torch.full((1, 100), 4.0 / 128), disk, images=8)
    assert isinstance(share.route, ProductRoute)
    assert share.route.reach < 30
    assert share.pixels < 0.25 * len(disk)


def test_a_few_sharp_ones_among_broad_ones_go_apart() -> None:
    width = torch.full((1, 5000), 4.0 / 128)
    width[0, :50] = 0.5 / 128
    shares = fastest(width, FourierDisk(128, 1.0), images=32)
    assert len(shares) > 1
    together = torch.cat([torch.arange(5000) if share.some is None else share.some for share in shares])
    assert torch.equal(together.sort().values, torch.arange(5000))


def test_no_gaussians_give_zeros() -> None:
    none = Gaussians(torch.zeros(1, 0, 3), torch.zeros(1, 0), torch.zeros(1, 0))
    out = none.project(torch.eye(3)[None], FourierDisk(16, 2.0))
    assert out.shape == (1, len(FourierDisk(16, 2.0)))
    assert float(out.abs().max()) == 0.0
    assert float(none.voxels(8, 2.0).abs().max()) == 0.0


def test_no_images_give_none() -> None:
    cloud, disk = _cloud(5, widths=(2.0, 3.0)), FourierDisk(16, 2.0)
    assert cloud.project(torch.zeros(0, 3, 3), disk).shape == (0, len(disk))


@pytest.mark.parametrize("route", [ProductRoute, SplatRoute])
@pytest.mark.parametrize("widths", [(0.8, 20.0), (0.01, 3.0), (30.0, 60.0)])
def test_classes_of_width_add_up_to_the_direct_sum(
    route: type, widths: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    _prefer(monkeypatch, route)
    monkeypatch.setattr(gaussian_route, "WORTH_CUTTING", -1e9)
    rotation = random_rotations(3, generator=torch.Generator().manual_seed(1)).float()
    disk, cloud = FourierDisk(48, 2.0), _cloud(200, widths=widths)
    exact = direct_project(cloud, rotation, disk)
    error = (cloud.project(rotation, disk) - exact).abs().amax(1) / exact.std(1)
    assert float(error.max()) < 1e-4


@pytest.mark.parametrize("route", [ProductRoute, SplatRoute])
def test_gradients_of_project_by_either_route(route: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Position, amplitude, width and pose, against finite differences in double precision."""
    _prefer(monkeypatch, route)
    generator = torch.Generator().manual_seed(2)
    disk = FourierDisk(24, 3.0).limit(radius=4.0)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    def project(position: Tensor, amplitude: Tensor, width: Tensor, euler: Tensor) -> Tensor:
        cloud = Gaussians(9 * position, amplitude, 1 + width)
        return cloud.project(euler_to_matrix(euler), disk)

    chosen = fastest(torch.full((1, 3), 2 / 72, dtype=torch.float64), disk, images=2)
    assert [type(share.route) for share in chosen] == [route]
    inputs = (draw(2, 3, 3), draw(2, 3), draw(2, 3), draw(2, 3))
    assert torch.autograd.gradcheck(project, inputs, check_forward_ad=True, fast_mode=True)


@pytest.mark.parametrize("route", [ProductRoute, SplatRoute])
def test_autocast_changes_nothing(route: type, monkeypatch: pytest.MonkeyPatch) -> None:
    _prefer(monkeypatch, route)
    disk, cloud = FourierDisk(48, 2.0), _cloud(50, widths=(2.0, 3.0))
    rotation = random_rotations(2, generator=torch.Generator().manual_seed(1)).float()
    position = cloud.position.clone().requires_grad_()
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = Gaussians(position, cloud.amplitude, cloud.width).project(rotation, disk)
            (gradient,) = torch.autograd.grad(out.abs().sum(), position)
        found.append((out, gradient))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_numbers_of_half_precision_are_taken_as_exact() -> None:
    disk, cloud = FourierDisk(24, 2.0), _cloud(20, widths=(2.0, 3.0))
    half = Gaussians(cloud.position.bfloat16(), cloud.amplitude.bfloat16(), cloud.width.bfloat16())
    exact = direct_project(half, torch.eye(3)[None], disk)
    assert float((half.project(torch.eye(3)[None], disk) - exact).abs().max()) < 1e-4 * float(exact.std())
