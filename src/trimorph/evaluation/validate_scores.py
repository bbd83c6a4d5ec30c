"""Scores: how far an image lies along a mode of density, told twice by halves of its pixels.

Every other pixel of an image's transform, as on a chessboard, makes one half, and the rest the other. Their
noise is independent. What they share along a mode is in the particle, and not in the noise.

Letters: n images, m numbers of an image, k modes, c box.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.rotations import vector_to_matrix
from trimorph.evaluation.validate_images import AT_ONCE, SeenImages, Slices

TURN = 0.03
"""Radians to either side by which the mean is turned to see what a small error of the pose looks like."""

RIDGE = 1e-6
"""Added to the diagonals of normal matrices, relative to their largest entry."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What both halves of the pixels of n images say of k modes.

    ``first`` and ``second`` (n, k) have a standard deviation of 1 by the noise alone; ``weight`` (n, k) is
    the product of what a unit of the mode would add to each.
    """

    first: Float[ndarray, "n k"]
    second: Float[ndarray, "n k"]
    weight: Float[ndarray, "n k"]

    @property
    def product(self) -> Float[ndarray, "n k"]:
        """What is summed: its mean is zero where particles are all alike."""
        return self.weight * self.first * self.second


@dataclass(frozen=True, eq=False)
class Whitened:
    """Residuals of all images from the mean, in units of the noise, and what is not looked at in them.

    ``residual`` (n, m) and the orthonormal ``nuisance`` (n, m, 6), a set for each half of the pixels: the
    mean itself, whose amplitude may vary, and what the five parameters of a pose change. Pixels are
    sorted by half, ``split`` numbers are in the first; ``order`` takes them from the disk.
    """

    images: SeenImages
    slices: Slices
    residual: Float[Tensor, "n m"]
    nuisance: Float[Tensor, "n m 6"]
    order: Int[Tensor, " m2"]
    split: int

    @classmethod
    def of(cls, images: SeenImages, mean: Float[Tensor, "c c c"]) -> Whitened:
        """What is left of images without their mean."""
        slices, disk = Slices(images.disk), images.disk
        parity = disk.index.sum(-1) % 2
        inner = torch.nonzero(disk.shell > 0).flatten()
        order = torch.cat([inner[parity[inner] == side] for side in (0, 1)])
        split = 2 * int((parity[inner] == 0).sum())
        residuals, nuisances = [], []
        empty = cls(images, slices, torch.zeros(0, 0), torch.zeros(0, 0, 6), order, split)
        for batch in images.batches(np.arange(len(images)), AT_ONCE):
            known = empty.columns(_nuisance(mean, batch, slices), batch)
            basis = torch.cat([_orthonormal(part) for part in (known[:, :split], known[:, split:])], dim=1)
            left = empty.columns(batch.image[..., None], batch) - known[..., :1]
            residuals.append(_without(left, basis, split)[..., 0])
            nuisances.append(basis)
        return replace(empty, residual=torch.cat(residuals), nuisance=torch.cat(nuisances))

    def columns(self, values: Tensor, batch: Batch) -> Float[Tensor, "b m k"]:
        """Transforms (b, p, k) in units of the noise, as real numbers in the order of the halves."""
        power = self.images.noise.at(batch.disk, batch.group)
        unit = (batch.disk.weight / power).sqrt()[..., None]
        return torch.view_as_real((values * unit)[:, self.order]).movedim(-1, 2).flatten(1, 2)

    def design(
        self, modes: Float[Tensor, "k c c c"], rows: Int[ndarray, " r"], *, slices: Slices
    ) -> Iterator[tuple[Tensor, Float[Tensor, "b m k"]]]:
        """For some of the images at a time: their numbers, and what a unit of each mode adds to them."""
        for batch in self.images.batches(rows, AT_ONCE):
            found = self.columns(slices.of(modes, batch), batch)
            yield batch.index, _without(found, self.nuisance[batch.index], self.split)

    def scores(self, modes: Float[Tensor, "k c c c"], rows: Int[ndarray, " r"]) -> Scores:
        """What some of the images say of modes, of each without what those before it explain."""
        parts: list[tuple[Tensor, ...]] = []
        with torch.no_grad():
            for index, design in self.design(modes, rows, slices=self.slices):
                residual = self.residual[index]
                sides = (slice(None, self.split), slice(self.split, None))
                found = [_score(design[:, side], residual[:, side]) for side in sides]
                parts.append((found[0][0], found[1][0], found[0][1] * found[1][1]))
        return Scores(*(torch.cat(part).numpy() for part in zip(*parts, strict=True)))


def _score(design: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
    """Q^T r and the diagonal of R, with design = Q R: unit noise, and the size of what each column adds."""
    factor = _factor(design)
    along = (design.mT @ residual[..., None]).double()
    score = torch.linalg.solve_triangular(factor, along, upper=False)[..., 0]
    return score, factor.diagonal(dim1=1, dim2=2)


def _factor(design: Tensor) -> Tensor:
    """The lower Cholesky factor of the columns' products."""
    gram = (design.mT @ design).double()
    ridge = RIDGE * gram.diagonal(dim1=1, dim2=2).amax(-1) + 1e-12
    return torch.linalg.cholesky(gram + ridge[:, None, None] * torch.eye(gram.shape[-1]).double())


def _orthonormal(columns: Tensor) -> Tensor:
    """An orthonormal basis of what columns (b, m, k) span."""
    size = columns.norm(dim=1, keepdim=True).clamp_min(1e-12)
    unit = columns / size
    solved = torch.linalg.solve_triangular(_factor(unit), unit.mT.double(), upper=False)
    return solved.mT.to(columns.dtype)


def _without(values: Tensor, basis: Tensor, split: int) -> Tensor:
    """Values (b, m, k) less what the basis explains of them, in each half of the pixels."""
    parts = []
    for side in (slice(None, split), slice(split, None)):
        part, base = values[:, side], basis[:, side]
        parts.append(part - base @ (base.mT @ part))
    return torch.cat(parts, dim=1)


def _nuisance(mean: Tensor, batch: Batch, slices: Slices) -> Tensor:
    """The mean's image (b, p, 6), and its derivatives by the shift and by the rotation."""
    own = slices.of(mean[None], batch)
    kx, ky = batch.disk.frequency.unbind(-1)
    shifted = [own * (1j * k)[:, None] for k in (kx, ky)]
    turned = []
    for axis in TURN * torch.eye(3):
        forth, back = (
            slices.of(mean[None], batch.pose(vector_to_matrix(vector) @ batch.rotation, batch.shift))
            for vector in (axis, -axis)
        )
        turned.append(forth - back)
    return torch.cat([own, *shifted, *turned], dim=-1)
