"""How fast and how small slices of Gaussians are: python benchmarks/projector.py [--device cuda] [--costs].

Milliseconds an image, forward and backward with gradients of position, amplitude, width and rotation, of

- the dense formula: an exponential, a cosine and a sine for each Gaussian and each pixel of the half plane,
  as the first programs for Gaussian mixtures computed it;
- the product of cosines and sines;
- the splat, with numba on a CPU where it is installed, and by torch alone;
- what `Gaussians.project` takes by itself.

Widths are between 1 and 1.5 pixels unless `--widths` says otherwise. Processor time of one thread, the best
of a few, in a batch of 8 images (dense: 1). Memory is the growth of the resident memory, at its highest, by
one image. `--accuracy` prints the largest errors against a direct sum in
double precision instead, `--costs` the constants of the cost model. Under each row stands the product's
share of the speed that the device reaches in a plain matrix product.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

import trimorph.core.compiled as compiler
from trimorph.core.disk import FourierDisk
from trimorph.core.gaussian_cloud import PlaneCloud
from trimorph.core.gaussian_product import ProductRoute
from trimorph.core.gaussian_route import COSTS, ERROR, Share, fitting_splats
from trimorph.core.gaussian_slices import slices
from trimorph.core.gaussian_splat import SplatRoute
from trimorph.core.gaussians import Gaussians
from trimorph.core.rotations import random_rotations
from trimorph.training.memory import keep_freed_memory

IMAGES = 8
DENSE_ELEMENTS = 2**26
"""Gaussians times pixels that the dense formula gets at once; more are done in turns."""

Scene = tuple[Gaussians, Tensor, FourierDisk, Tensor]


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--counts", type=int, nargs="+", default=[2000, 10000])
    parser.add_argument("--boxes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--widths", type=float, nargs=2, default=(1.0, 1.5), help="in pixels")
    parser.add_argument("--seconds", type=float, default=2.0, help="spent on each number")
    parser.add_argument("--dense", type=int, default=2000, help="most Gaussians that the dense formula gets")
    parser.add_argument("--costs", action="store_true")
    parser.add_argument("--accuracy", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    if options.costs:
        costs(options)
    elif options.accuracy:
        accuracy(options)
    else:
        table(options)


def table(options: argparse.Namespace) -> None:
    """Time and memory of every way."""
    row("N", "box", "dense", "product", "splat", "splat, torch alone", "project takes", "project, ms",
        "MB: dense", "product", "splat")  # fmt: skip
    for count in options.counts:
        for box in options.boxes:
            make = partial(scene, count, box, widths=options.widths, device=options.device)
            many, one = make(images=IMAGES), make(images=1)
            timed, sized = [], []
            ways = routes(many)
            if count <= options.dense:
                timed.append(milliseconds(partial(dense, one), one, options.seconds))
                sized.append(megabytes(partial(dense, one), one))
            else:
                timed.append(float("nan"))
                sized.append(float("nan"))
            for route in ways.values():
                timed.append(milliseconds(partial(by_route, many, route), many, options.seconds))
                sized.append(megabytes(partial(by_route, one, route), one))
            project = milliseconds(partial(projected, many), many, options.seconds)
            best = min(ways, key=lambda way: cost_of(ways[way], many))
            with torch_alone():
                timed.append(
                    milliseconds(partial(by_route, many, routes(many)["splat"]), many, options.seconds)
                )
            row(count, box, *(f"{each:.2f}" for each in timed), best, f"{project:.2f}",
                *(f"{each:.1f}" for each in sized))  # fmt: skip
            print(product_share(many, ways["product"], timed[-3]), flush=True)


@contextmanager
def torch_alone() -> Iterator[None]:
    """Without numba."""
    with_compiler, compiler.has_compiler = compiler.has_compiler, lambda: False
    compiler.compiled.cache_clear()
    yield
    compiler.has_compiler = with_compiler
    compiler.compiled.cache_clear()


def scene(count: int, box: int, *, widths: tuple[float, float], images: int, device: str = "cpu") -> Scene:
    """Gaussians in a ball of a third of the box, another set for every image, at random rotations."""
    generator = torch.Generator().manual_seed(0)
    position = torch.randn(images, count, 3, generator=generator)
    radius = torch.rand(images, count, 1, generator=generator) ** (1 / 3) * box / 3
    position = position / position.norm(dim=-1, keepdim=True) * radius
    amplitude = 0.5 + torch.rand(images, count, generator=generator)
    width = widths[0] + (widths[1] - widths[0]) * torch.rand(images, count, generator=generator)
    rotation = random_rotations(images, generator=generator).float()
    disk = FourierDisk(box, 1.0, device=torch.device(device))
    leaves = [each.to(device).requires_grad_() for each in (position, amplitude, width, rotation)]
    residual = torch.randn(images, len(disk), dtype=torch.complex64, generator=generator).to(device)
    return Gaussians(*leaves[:3]), leaves[3], disk, residual


def routes(of: Scene) -> dict[str, ProductRoute | SplatRoute]:
    """The product, and the splat that the cost model likes best."""
    found: dict[str, ProductRoute | SplatRoute] = {"product": ProductRoute(int(of[2].index.abs().max()))}
    if splats := all_splats(of):
        found["splat"] = min(splats, key=lambda splat: cost_of(splat, of))
    return found


def cost_of(route: ProductRoute | SplatRoute, of: Scene) -> float:
    """What the model thinks a route costs."""
    count = of[0].width.shape[1]
    kind = (
        "cpu_compiled"
        if of[0].width.device.type == "cpu" and compiler.has_compiler()
        else of[0].width.device.type
    )
    return COSTS[kind].of(route, count, IMAGES)


def by_route(of: Scene, route: ProductRoute | SplatRoute) -> Tensor:
    """Slices by one route."""
    cloud, rotation, disk, _ = of
    plane = torch.einsum("bij,bgj->bgi", rotation[:, :2], cloud.position) / disk.box
    share = Share(None, len(disk), route)
    return slices(PlaneCloud(plane, cloud.amplitude, (cloud.width / disk.box) ** 2), disk.index, [share])


def projected(of: Scene) -> Tensor:
    """Slices as a method of reconstruction asks for them."""
    return of[0].project(of[1], of[2])


def dense(of: Scene) -> Tensor:
    """Slices by the formula written out: everything for each Gaussian and each pixel."""
    cloud, rotation, disk, _ = of
    plane = torch.einsum("bij,bgj->bgi", rotation[:, :2], cloud.position)
    k2 = (disk.frequency**2).sum(-1)
    total = torch.zeros(len(plane), len(disk), dtype=torch.complex64, device=plane.device)
    some = max(DENSE_ELEMENTS // len(disk), 1)
    for part in range(0, plane.shape[1], some):
        block = slice(part, part + some)
        angle = 2 * torch.pi * plane[:, block] @ disk.frequency.T
        decay = torch.exp(-2 * torch.pi**2 * cloud.width[:, block, None] ** 2 * k2)
        size = cloud.amplitude[:, block, None] * decay
        total = total + torch.complex((size * torch.cos(angle)).sum(1), -(size * torch.sin(angle)).sum(1))
    return total


def gradients(call: Callable[[], Tensor], of: Scene) -> tuple[Tensor, ...]:
    """Forward and backward."""
    cloud, rotation, _, residual = of
    leaves = (cloud.position, cloud.amplitude, cloud.width, rotation)
    return torch.autograd.grad(call(), leaves, residual)


def milliseconds(call: Callable[[], Tensor], of: Scene, seconds: float) -> float:
    """Time an image, forward and backward: the shortest of several."""
    clock = time.perf_counter if of[3].is_cuda else time.process_time
    best, spent = float("inf"), 0.0
    gradients(call, of)
    while spent < seconds:
        synchronize(of)
        start = clock()
        gradients(call, of)
        synchronize(of)
        best, spent = min(best, clock() - start), spent + clock() - start
    return 1e3 * best / len(of[3])


def megabytes(call: Callable[[], Tensor], of: Scene) -> float:
    """Growth of the resident memory, at its highest, while one image is made and differentiated (Linux)."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    gradients(call, of)
    return resident("VmHWM") - before


def resident(line: str) -> float:
    """A line of this process's account of its memory, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(each for each in lines if each.startswith(line)).split()[1]) / 1024


def product_share(of: Scene, route: ProductRoute | SplatRoute, taken: float) -> str:
    """Speed of the product's three matrix products an image, and that of a large one."""
    assert isinstance(route, ProductRoute)
    side = 8192 if of[3].is_cuda else 2048
    matrix = torch.randn(side, side, device=of[3].device)
    best, clock = float("inf"), time.perf_counter if of[3].is_cuda else time.process_time
    for _ in range(5):
        synchronize(of)
        start = clock()
        matrix @ matrix
        synchronize(of)
        best = min(best, clock() - start)
    speed = 3 * 2 * of[0].width.shape[1] * (2 * route.reach + 2) ** 2 / (1e-3 * taken) / 1e9
    peak = 2 * side**3 / best / 1e9
    return f"product: {speed:.0f} of {peak:.0f} GFLOP/s, {100 * speed / peak:.0f} %"


def synchronize(of: Scene) -> None:
    """Wait for the card, where there is one."""
    if of[3].is_cuda:
        torch.cuda.synchronize()


def accuracy(options: argparse.Namespace) -> None:
    """Largest error of an image over its standard deviation, both routes and project."""
    row("N", "box", "widths, px", "product", "splat", "project")
    for widths in ((0.0, 0.0), (0.4, 0.4), (1.0, 1.5), (0.4, 4.0), (4.0, 8.0)):
        for count in (1, 2000):
            for box in options.boxes:
                of = scene(count, box, widths=widths, images=1)
                with torch.no_grad():
                    cloud = Gaussians(
                        *(each.double() for each in (of[0].position, of[0].amplitude, of[0].width))
                    )
                    disk, rotation = of[2], of[1].double()
                    exact = torch.zeros(1, len(disk), dtype=torch.complex128)
                    k = disk.index.double() / box
                    plane = torch.einsum("bij,bgj->bgi", rotation[:, :2], cloud.position)
                    for i in range(0, count, 200):
                        part = slice(i, i + 200)
                        size = cloud.amplitude[:, part, None] * torch.exp(
                            -2 * torch.pi**2 * cloud.width[:, part, None] ** 2 * (k**2).sum(-1)
                        )
                        exact += (size * torch.exp(-2j * torch.pi * (plane[:, part] @ k.T))).sum(1)
                    calls = [by_route(of, way) for way in routes(of).values()] + [projected(of)]
                    errors = [float((call - exact).abs().max() / exact.std()) for call in calls]
                row(count, box, f"{widths[0]:g} to {widths[1]:g}", *(f"{error:.0e}" for error in errors))


def costs(options: argparse.Namespace) -> None:
    """Fit the constants of the model, in nanoseconds."""
    counts, boxes = (500, 2000, 8000), (32, 64, 128, 256)
    print("product:", *fitted(ProductRoute, counts, boxes, options))
    print("splat:", *fitted(SplatRoute, counts, boxes, options))
    if compiler.has_compiler():
        with torch_alone():
            print("splat, torch alone:", *fitted(SplatRoute, counts, boxes, options))


def fitted(
    kind: type, counts: tuple[int, ...], boxes: tuple[int, ...], options: argparse.Namespace
) -> list[str]:
    """Constants by non-negative least squares of relative errors."""
    lines = []
    for box in boxes:
        for count in counts:
            for images in (1, IMAGES):
                of = scene(count, box, widths=(1.0, 1.5), images=images, device=options.device)
                for route in (
                    [ProductRoute(int(of[2].index.abs().max()))] if kind is ProductRoute else splats(of)
                ):
                    taken = 1e6 * milliseconds(partial(by_route, of, route), of, options.seconds / 10)
                    if isinstance(route, ProductRoute):
                        k = route.reach + 1
                        lines.append([count * k * k, count * k, 1e6 / images, taken])
                    else:
                        p, side = route.points, route.size + route.points
                        lines.append([count * p * p, count * p, side**2, 1e6 / images, taken])
    matrix = np.array(lines)
    matrix /= matrix[:, -1:]
    found, _ = nnls(matrix[:, :-1], matrix[:, -1])
    worst = np.abs(matrix[:, :-1] @ found - 1).max()
    return [*(f"{each:.3g}" for each in found), f"(call in ms; largest error {100 * worst:.0f} %)"]


def splats(of: Scene) -> list[SplatRoute]:
    """Splats of small, middle and large footprints."""
    found = all_splats(of)
    return [found[i] for i in (0, len(found) // 2, len(found) - 1)]


def all_splats(of: Scene) -> list[SplatRoute]:
    """Every splat that is accurate."""
    cloud, _, disk, _ = of
    lower, upper = (float(edge) / disk.box for edge in cloud.width.detach().aminmax())
    return fitting_splats(lower, upper, radius=float(disk.radius[-1]), error=ERROR[torch.float32])


def row(*cells: object) -> None:
    """A row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
