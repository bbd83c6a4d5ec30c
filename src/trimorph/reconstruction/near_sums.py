"""Sums around a point, body by body, and what the rungs of a ladder make of them.

Letters: b rungs of a ladder, n particles, s shells, d box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float
from numpy import ndarray
from torch import Tensor

from trimorph.core.backprojection import BackProjector
from trimorph.core.density_solver import FourierSums, solve_density
from trimorph.reconstruction.blend import Blend
from trimorph.reconstruction.bodies import Body
from trimorph.reconstruction.gather import Halves, Share
from trimorph.reconstruction.joined import Joined
from trimorph.reconstruction.ladder import Ladder
from trimorph.reconstruction.reconstruct import Density, Reconstruction, wiener_ssnr


@dataclass(frozen=True, eq=False)
class BodySums:
    """A body, and sums of both half sets under each hat of a ladder, and last of all particles."""

    body: Body
    sums: list[Halves]

    def total(self, ladder: Ladder) -> Float[ndarray, " b"]:
        """Weight of the body on each rung."""
        return np.asarray((ladder.kernels() * self.body.weight).sum(1))

    def half(self, number: int) -> tuple[BackProjector, ...]:
        """The sums of one half set (0, 1)."""
        return tuple(pair[number] for pair in self.sums)


def shares_of(ladder: Ladder, bodies: Sequence[Body]) -> list[Share]:
    """What is to be summed for a point: hats for each body, and all particles where it has poses of its own.

    Where it has none, all particles are summed once for all points.
    """
    knots = ladder.knots().astype(np.float32)
    return [
        Share(row * body.weight, body.pose)
        for body in bodies
        for row in (knots[:-1] if body.pose is None else knots)
    ]


def by_body(own: list[Halves], bodies: Sequence[Body], everyone: Halves) -> list[BodySums]:
    """The sums of :func:`shares_of`, sorted."""
    hats = (len(own) - sum(body.pose is not None for body in bodies)) // len(bodies)
    left, found = iter(own), []
    for body in bodies:
        sums = [next(left) for _ in range(hats)]
        found.append(BodySums(body, [*sums, everyone if body.pose is None else next(left)]))
    return found


def blended(
    local: Sequence[BodySums], number: int, ladder: Ladder, share: Float[ndarray, "b s"]
) -> Joined[Blend]:
    """The sums of one half set (0, 1), of each rung as much as its share on each shell."""
    blends = []
    for one in local:
        total = one.total(ladder)
        # every rung on the scale of all particles, so that shells of different ones go together
        rungs = (total[-1] / total.clip(1e-6 * total[-1]))[:, None] * ladder.from_knots()
        blends.append(Blend(one.half(number), torch.as_tensor(rungs.T @ share, dtype=torch.float32)))
    return Joined(tuple(blends), torch.stack([torch.as_tensor(one.body.where) for one in local]))


def rung_transforms(
    local: Sequence[BodySums], number: int, ladder: Ladder, whole: Reconstruction, region: Density
) -> Complex[Tensor, "b d d h"]:
    """Transforms of what one half set (0, 1) has on each rung, filtered and joined, inside a region."""
    joined: list[Tensor] = []
    for one in local:
        total, half = one.total(ladder), one.half(number)
        for rung, (sums, part) in enumerate(zip(_rung_sums(half, ladder), total / total[-1], strict=True)):
            ssnr = 0.5 * float(part) * wiener_ssnr(whole.curves)
            density = solve_density(sums, gridding=half[0].gridding, ssnr=ssnr, steps=0)
            density = density * torch.as_tensor(one.body.where).to(density)
            if rung == len(joined):
                joined.append(density)
            else:
                joined[rung] = joined[rung] + density
    return torch.stack([torch.fft.rfftn(one * torch.as_tensor(region).to(one)) for one in joined])


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
