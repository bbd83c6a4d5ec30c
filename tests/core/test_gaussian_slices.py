"""Both routes to the slices of Gaussians against direct sums, finite differences and each other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from core.direct_sum import direct_slices
from trimorph.core import gaussian_taps
from trimorph.core.compiled import has_compiler
from trimorph.core.disk import FourierDisk
from trimorph.core.gaussian_cloud import PlaneCloud
from trimorph.core.gaussian_product import CPU_BLOCK, ProductRoute
from trimorph.core.gaussian_route import ERROR, Share, fitting_splats
from trimorph.core.gaussian_slices import slices
from trimorph.core.gaussian_splat import SplatRoute

Route = ProductRoute | SplatRoute


def _cloud(
    disk: FourierDisk,
    *,
    count: int,
    widths: tuple[float, float],
    sets: int = 3,
    dtype: torch.dtype = torch.float32,
) -> PlaneCloud:
    """Gaussians on three planes, up to 0.3 boxes beyond the edges; widths in pixels."""
    generator = torch.Generator().manual_seed(count)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=dtype)

    width = (widths[0] + (widths[1] - widths[0]) * draw(sets, count)) / disk.box
    return PlaneCloud(1.6 * (draw(3, count, 2) - 0.5), 0.5 + draw(sets, count), width**2)


def _routes(disk: FourierDisk, cloud: PlaneCloud) -> list[Route]:
    """The product, and the splats on the smallest, a middle and the largest grid."""
    lower, upper = (float(edge) for edge in cloud.variance.sqrt().aminmax())
    error = ERROR[cloud.variance.dtype]
    found = fitting_splats(lower, upper, radius=float(disk.radius[-1]), error=error)
    product = ProductRoute(int(disk.index.abs().max()))
    return [product] + [found[i] for i in sorted({0, len(found) // 2, len(found) - 1}) if found]


def _by(route: Route, cloud: PlaneCloud, disk: FourierDisk) -> Tensor:
    return slices(cloud, disk.index, [Share(None, len(disk), route)])


@pytest.mark.parametrize("widths", [(0.0, 0.0), (0.4, 0.4), (1.0, 1.5), (0.3, 4.0), (4.0, 8.0)])
@pytest.mark.parametrize("count", [1, 2, 60])
@pytest.mark.parametrize(("box", "radius"), [(39, None), (64, None), (64, 9.0), (81, 30.5)])
def test_every_route_equals_the_direct_sum(
    widths: tuple[float, float], count: int, box: int, radius: float | None
) -> None:
    disk = FourierDisk(box, 1.0).limit(radius=radius)
    cloud = _cloud(disk, count=count, widths=widths)
    exact = direct_slices(cloud, disk.index)
    routes = _routes(disk, cloud)
    assert len(routes) > 1 or widths[1] > 3 or radius == 9.0  # the grid has no room for the broad
    for route in routes:
        error = (_by(route, cloud, disk) - exact).abs().amax(1) / exact.std(1)
        assert float(error.max()) < 1e-4, route


@pytest.mark.parametrize("widths", [(0.4, 0.4), (1.0, 1.5)])
def test_double_precision_is_exact(widths: tuple[float, float]) -> None:
    disk = FourierDisk(64, 1.0)
    cloud = _cloud(disk, count=20, widths=widths, dtype=torch.float64)
    for route in _routes(disk, cloud):
        torch.testing.assert_close(
            _by(route, cloud, disk), direct_slices(cloud, disk.index), rtol=0, atol=1e-11
        )


@pytest.mark.parametrize("sets", [1, 3])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_derivatives_of_every_route(sets: int, number: int) -> None:
    """Backward and forward against finite differences, one set of widths and amplitudes for all or three."""
    disk = FourierDisk(24, 1.0).limit(radius=4.0)
    cloud = _cloud(disk, count=3, widths=(0.3, 0.6), sets=sets, dtype=torch.float64)
    route = _routes(disk, cloud)[number]
    inputs = [numbers.clone().requires_grad_() for numbers in cloud]

    def call(*numbers: Tensor) -> Tensor:
        return _by(route, PlaneCloud(*numbers), disk)

    assert torch.autograd.gradcheck(call, inputs, check_forward_ad=True, fast_mode=True)


def test_an_amplitude_of_zero_has_its_gradient() -> None:
    disk = FourierDisk(32, 1.0)
    cloud = _cloud(disk, count=5, widths=(1.0, 1.5))
    found = []
    for route in _routes(disk, cloud):
        amplitude = torch.zeros_like(cloud.amplitude, requires_grad=True)
        _by(route, PlaneCloud(cloud.plane, amplitude, cloud.variance), disk).real.sum().backward()
        assert amplitude.grad is not None
        found.append(amplitude.grad)
    assert float(found[0].abs().min()) > 0
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-3, atol=1e-3 * float(found[0].abs().max()))


def test_shares_add_up() -> None:
    """Half the Gaussians by one route on the whole disk, half by another on a part: the sum of both."""
    disk = FourierDisk(40, 1.0)
    coarse = disk.limit(radius=8.0)
    cloud = _cloud(disk, count=10, widths=(1.0, 1.5), dtype=torch.float64)
    first, second = torch.arange(0, 10, 2), torch.arange(1, 10, 2)
    routes = _routes(disk, cloud)
    shares = [Share(first, len(disk), routes[1]), Share(second, len(coarse), ProductRoute(8))]
    inputs = [numbers.clone().requires_grad_() for numbers in cloud]
    out = slices(PlaneCloud(*inputs), disk.index, shares)
    exact = direct_slices(cloud.select(first), disk.index)
    exact[:, : len(coarse)] += direct_slices(cloud.select(second), coarse.index)
    torch.testing.assert_close(out, exact, rtol=0, atol=1e-11)
    weight = torch.randn(out.shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    together = torch.autograd.grad(out, inputs, weight)
    for some, disk_part in ((first, disk), (second, coarse)):
        part = PlaneCloud(*(numbers.clone().requires_grad_() for numbers in cloud.select(some)))
        alone = torch.autograd.grad(direct_slices(part, disk_part.index), part, weight[:, : len(disk_part)])
        for a, b in zip(PlaneCloud(*together).select(some), alone, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


def test_a_whole_box_farther_is_the_same_place() -> None:
    disk = FourierDisk(40, 1.0)
    cloud = _cloud(disk, count=10, widths=(1.0, 1.5))
    moved = cloud._replace(plane=cloud.plane + torch.tensor([2.0, -3.0]))
    for route in _routes(disk, cloud):
        near, far = _by(route, cloud, disk), _by(route, moved, disk)
        assert float((near - far).abs().max()) < 1e-4 * float(near.std())


@pytest.mark.skipif(not has_compiler(), reason="numba is not installed")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_kernels_equal_those_of_torch(
    dtype: torch.dtype, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    row, column = torch.rand(2, 3, 50, 12, generator=generator, dtype=dtype)
    first = 52 * torch.randint(40, (3, 50), generator=generator) + torch.randint(
        40, (3, 50), generator=generator
    )
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    compiled = gaussian_taps.spread(first, row, column, 52)
    windows = gaussian_taps.collect(compiled, first, row, column)
    torch.set_num_threads(before)
    monkeypatch.setattr(gaussian_taps, "compiled", lambda _: None)
    plain = gaussian_taps.spread(first, row, column, 52)
    torch.testing.assert_close(compiled, plain)
    for a, b in zip(windows, gaussian_taps.collect(plain, first, row, column), strict=True):
        torch.testing.assert_close(a, b)


def test_torch_alone_gives_the_same_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FourierDisk(40, 1.0)
    cloud = _cloud(disk, count=30, widths=(0.4, 1.5))
    monkeypatch.setattr(gaussian_taps, "compiled", lambda _: None)
    exact = direct_slices(cloud, disk.index)
    for route in _routes(disk, cloud):
        assert float((_by(route, cloud, disk) - exact).abs().max()) < 1e-4 * float(exact.std())


class _Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that any operation of torch made."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for each in out if isinstance(out, tuple | list) else [out]:
            if isinstance(each, Tensor):
                self.elements = max(self.elements, each.numel())
        return out


def test_no_array_of_gaussians_times_pixels() -> None:
    disk = FourierDisk(96, 1.0)
    cloud = _cloud(disk, count=6000, widths=(1.0, 1.5))
    inputs = [numbers.clone().requires_grad_() for numbers in cloud]
    assert 6000 * len(disk) > 80 * CPU_BLOCK
    for route in _routes(disk, cloud)[:2]:
        with _Largest() as largest:
            _by(route, PlaneCloud(*inputs), disk).abs().sum().backward()
        assert largest.elements <= 1.2 * CPU_BLOCK, route


def test_what_is_not_finite_stays_in_its_image() -> None:
    """A NaN must end as NaN, not as an access outside of the grid."""
    disk = FourierDisk(40, 1.0)
    cloud = _cloud(disk, count=10, widths=(1.0, 1.5))
    for bad in (float("nan"), float("inf"), 1e30):
        plane = cloud.plane.clone()
        plane[1, 3, 0] = bad
        for route in _routes(disk, cloud)[:2]:
            out = _by(route, cloud._replace(plane=plane), disk)
            assert torch.isfinite(out[[0, 2]]).all()
            assert bad == 1e30 or torch.isnan(out[1]).any()
