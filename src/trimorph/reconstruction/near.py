"""Maps of the particles around points, each with a bandwidth of its own on every shell.

Letters: v points, n particles, b rungs of a ladder, s shells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from numpy import ndarray
from torch import Tensor

from trimorph.core.backprojection import BackProjector
from trimorph.core.density_solver import FourierSums, solve_density
from trimorph.core.disk import FourierDisk
from trimorph.reconstruction.bandwidth import Agreement, choose_rungs
from trimorph.reconstruction.blend import Blend
from trimorph.reconstruction.gather import Halves, Share, gather
from trimorph.reconstruction.images import Images
from trimorph.reconstruction.ladder import LEAST, Ladder, ladder_around
from trimorph.reconstruction.mask import QUANTILE, molecular_mask
from trimorph.reconstruction.mean_map import FAINTEST
from trimorph.reconstruction.memory import pairs_at_once
from trimorph.reconstruction.reconstruct import (
    Density,
    Reconstruction,
    ball_of,
    checked_disk,
    checked_halves,
    checked_weights,
    finish,
    wiener_ssnr,
)


@dataclass(frozen=True, eq=False)
class LocalMap:
    """The map around a point, and how it came about.

    ``share`` says how much each rung of the ladder counts on each shell, and ``passes`` how often the
    particles were read for all maps.
    """

    reconstruction: Reconstruction
    ladder: Ladder
    share: Float[ndarray, "b s"]
    passes: int

    @property
    def bandwidth(self) -> Float[ndarray, " s"]:
        """The distance at which particles cease to count on each shell; infinite where all count alike."""
        return self.ladder.bandwidth[self.share.argmax(0)]

    @property
    def number(self) -> Int[ndarray, " s"]:
        """Particles within the bandwidth of each shell."""
        return self.ladder.number[self.share.argmax(0)]

    @property
    def effective(self) -> Float[ndarray, " s"]:
        """(sum w)^2 / sum w^2 on each shell: as many particles of equal weight have as little noise."""
        products = np.einsum("bs,bc,cs->s", self.share, self.ladder.effective(), self.share)
        return np.asarray(1 / products)


def reconstruct_around(
    stack: Images,
    distance: Float[ndarray, "v n"],
    *,
    weights: Float[ndarray, " n"] | None = None,
    half: Int[ndarray, " n"] | None = None,
    limit: float | None = None,
    mask: Density | None = None,
    least: int = LEAST,
    narrowest: float = 0.0,
    memory: float | None = None,
    batch_size: int = 256,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Reconstruction, tuple[LocalMap, ...]]:
    """The map of all particles, and one around each point, from which they are at these distances.

    Bandwidths are those of :func:`ladder_around`, and the choice on each shell that of :func:`choose_rungs`.
    Images are read once for as many points as fit into ``memory`` (GB, by default half of what is free);
    where a single one would not, its ladder has fewer rungs. All else as for :func:`reconstruct`.
    """
    weight = checked_weights(weights, len(stack))
    sets = checked_halves(stack, half, weight, seed)
    disk = checked_disk(stack.disk, limit, device)
    room = max(pairs_at_once(disk, memory) - 1, 1)
    ladders = [
        ladder_around(row, weight, sets, least=least, narrowest=narrowest, most=room) for row in distance
    ]
    passes = list(_passes([len(ladder.bandwidth) - 1 for ladder in ladders], room))
    found: list[LocalMap] = []
    everyone: Halves | None = None
    for done, some in enumerate(passes):
        shares = [Share(row) for state in some for row in ladders[state].knots()[:-1].astype(np.float32)]
        shares += [Share(weight)] if everyone is None else []
        sums = gather(
            stack,
            shares,
            sets=sets,
            disk=disk,
            batch_size=batch_size,
            progress=_pass(progress, done, len(passes)),
        )
        if everyone is None:
            everyone = sums.pop()
            whole = finish(*everyone, disk=disk, mask=mask, sets=sets)
            region = _region(whole, disk, mask)
        for state in some:
            own = [sums.pop(0) for _ in range(len(ladders[state].bandwidth) - 1)]
            result, share = _local(ladders[state], [*own, everyone], whole, region, disk=disk, mask=mask)
            found.append(LocalMap(result, ladders[state], share, len(passes)))
    return whole, tuple(found)


def _local(
    ladder: Ladder,
    sums: list[Halves],
    whole: Reconstruction,
    region: Density,
    *,
    disk: FourierDisk,
    mask: Density | None,
) -> tuple[Reconstruction, Float[ndarray, "b s"]]:
    """The map that the chosen bandwidths make, and how much each rung counts on each shell."""
    total = ladder.kernels().sum(1)
    # every rung on the scale of all particles, so that shells of different ones go together
    rungs = (total[-1] / total)[:, None] * ladder.from_knots()
    share = np.ones((1, disk.box // 2 + 1))
    halves = tuple(zip(*sums, strict=True))
    if len(rungs) > 1:
        first, second = (rung_transforms(half, ladder, whole, region) for half in halves)
        share = choose_rungs(Agreement.of((first, second), filled=float((region**2).mean())))
    curves = torch.as_tensor(rungs.T @ share, dtype=torch.float32)
    sets = np.where(ladder.kernels()[share.any(1)].any(0), whole.half, 0)
    result = finish(*(Blend(half, curves) for half in halves), disk=disk, mask=mask, sets=sets)
    return result, share


def rung_transforms(
    half: tuple[BackProjector, ...], ladder: Ladder, whole: Reconstruction, region: Density
) -> Complex[Tensor, "b d d h"]:
    """Transforms of what one half set has on each rung, filtered, inside a region.

    ``half`` are its sums under the hats of the ladder, and last of all its particles.
    """
    total = ladder.kernels().sum(1)
    found = []
    for sums, part in zip(_rung_sums(half, ladder), total / total[-1], strict=True):
        ssnr = 0.5 * float(part) * wiener_ssnr(whole.curves)
        density = solve_density(sums, gridding=half[0].gridding, ssnr=ssnr, steps=0)
        found.append(torch.fft.rfftn(density * torch.as_tensor(region).to(density)))
    return torch.stack(found)


def _rung_sums(half: tuple[BackProjector, ...], ladder: Ladder) -> Iterator[FourierSums]:
    """Sums on each rung: those of a half set's particles within h, times 1 - d^2 / h^2.

    Each knot is used once, as the rungs are linear in one over the square of the bandwidth.
    """
    square = np.concatenate([[0.0], ladder.bandwidth[:-1] ** 2])
    inside: FourierSums | None = None
    for knot, sums in enumerate(half[:-1]):
        own = sums.sums()
        if inside is None:
            inside, moment = own, FourierSums(0 * own.numerator, 0 * own.weight)
        else:
            inside = _added(inside, own, 1.0)
            moment = _added(moment, own, square[knot])
        yield _added(inside, moment, -1 / square[knot + 1])
    yield half[-1].sums()


def _added(first: FourierSums, second: FourierSums, factor: float) -> FourierSums:
    return FourierSums(first.numerator + factor * second.numerator, first.weight + factor * second.weight)


def _region(whole: Reconstruction, disk: FourierDisk, mask: Density | None) -> Density:
    """Where maps of the rungs are compared: in the mask, or around what is not faint in the map of all."""
    if mask is not None:
        return mask
    level = FAINTEST * float(np.quantile(whole.map, QUANTILE))
    if not level > 0:
        return ball_of(disk)
    return molecular_mask(whole.map, pixel_size=disk.pixel_size, threshold=level)


def _passes(rungs: list[int], room: int) -> Iterator[list[int]]:
    """Numbers of points that go through the particles together, their rungs together no more than ``room``.

    >>> list(_passes([3, 3, 3], 6))
    [[0, 1], [2]]
    """
    some: list[int] = []
    for number, count in enumerate(rungs):
        if some and sum(rungs[state] for state in some) + count > room:
            yield some
            some = []
        some.append(number)
    if some:
        yield some


def _pass(
    progress: Callable[[int, int], None] | None, done: int, passes: int
) -> Callable[[int, int], None] | None:
    """Progress of one of several passes as that of all."""
    if progress is None:
        return None
    return lambda step, total: progress(done * total + step, passes * total)
