"""Maps of the particles around points, each with a bandwidth of its own on every shell.

Letters: v points, n particles, b rungs of a ladder, s shells, d box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.disk import FourierDisk
from trimorph.reconstruction.bandwidth import Agreement, choose_rungs
from trimorph.reconstruction.bodies import Body, refuse_empty
from trimorph.reconstruction.gather import Halves, Share, gather
from trimorph.reconstruction.images import Images
from trimorph.reconstruction.ladder import LEAST, Ladder, ladder_around
from trimorph.reconstruction.mask import QUANTILE, molecular_mask
from trimorph.reconstruction.mean_map import FAINTEST
from trimorph.reconstruction.memory import pairs_at_once
from trimorph.reconstruction.near_sums import BodySums, blended, by_body, rung_transforms, shares_of
from trimorph.reconstruction.reconstruct import (
    Density,
    Reconstruction,
    ball_of,
    checked_disk,
    checked_halves,
    checked_weights,
    finish,
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
    moving: Sequence[Sequence[Body]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Reconstruction, tuple[LocalMap, ...]]:
    """The map of all particles, and one around each point, from which they are at these distances.

    Bandwidths are those of :func:`ladder_around`, and the choice on each shell that of :func:`choose_rungs`.
    Images are read once for as many points as fit into ``memory`` (GB, by default half of what is free);
    where a single one would not, its ladder has fewer rungs. All else as for :func:`reconstruct`.

    ``moving`` has for each point the bodies that particles are taken apart into: each is back-projected
    where it is at that point, of all particles with the weights of the same rungs, and
    all are joined to one map on every rung, before the choice, and at the end.
    Errors: InputError where no particle of a half set has something of a body.
    """
    weight = checked_weights(weights, len(stack))
    sets = checked_halves(stack, half, weight, seed)
    disk = checked_disk(stack.disk, limit, device)
    room = max(pairs_at_once(disk, memory) - 1, 1)
    bodies = [[_whole(disk.box, len(stack))]] * len(distance) if moving is None else moving
    ladders = []
    for row, own in zip(distance, bodies, strict=True):
        refuse_empty(own, sets)
        most = max(room // len(own) - int(len(own) > 1), 1)
        ladders.append(ladder_around(row, weight, sets, least=least, narrowest=narrowest, most=most))
    plans = [shares_of(ladder, own) for ladder, own in zip(ladders, bodies, strict=True)]
    passes = list(_passes([len(plan) for plan in plans], room))
    found: list[LocalMap] = []
    everyone: Halves | None = None
    for done, some in enumerate(passes):
        shares = [share for state in some for share in plans[state]]
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
            local = by_body([sums.pop(0) for _ in plans[state]], bodies[state], everyone)
            result, share = _local(ladders[state], local, whole, region, disk=disk, mask=mask)
            found.append(LocalMap(result, ladders[state], share, len(passes)))
    return whole, tuple(found)


def _local(
    ladder: Ladder,
    local: list[BodySums],
    whole: Reconstruction,
    region: Density,
    *,
    disk: FourierDisk,
    mask: Density | None,
) -> tuple[Reconstruction, Float[ndarray, "b s"]]:
    """The map that the chosen bandwidths make, and how much each rung counts on each shell."""
    share = np.ones((1, disk.box // 2 + 1))
    if len(ladder.bandwidth) > 1:
        first, second = (rung_transforms(local, number, ladder, whole, region) for number in (0, 1))
        share = choose_rungs(Agreement.of((first, second), filled=float((region**2).mean())))
    halves = [blended(local, number, ladder, share) for number in (0, 1)]
    sets = np.where(ladder.kernels()[share.any(1)].any(0), whole.half, 0)
    return finish(halves[0], halves[1], disk=disk, mask=mask, sets=sets), share


def _region(whole: Reconstruction, disk: FourierDisk, mask: Density | None) -> Density:
    """Where maps of the rungs are compared: in the mask, or around what is not faint in the map of all."""
    if mask is not None:
        return mask
    level = FAINTEST * float(np.quantile(whole.map, QUANTILE))
    if not level > 0:
        return ball_of(disk)
    return molecular_mask(whole.map, pixel_size=disk.pixel_size, threshold=level)


def _whole(box: int, count: int) -> Body:
    """All as one body, which stays where it is."""
    return Body(np.ones((box,) * 3, np.float32), np.ones(count, np.float32), None)


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
