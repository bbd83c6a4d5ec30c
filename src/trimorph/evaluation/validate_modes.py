"""Modes of density to be tested: those that half of the images point to, or that a trained model decodes.

Letters: n images, m numbers of an image, k modes, c box, v decoded volumes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from trimorph.core.gaussians import Gaussians
from trimorph.evaluation.validate_images import Slices
from trimorph.evaluation.validate_scores import Whitened
from trimorph.methods.mode_agreement import shells
from trimorph.methods.mode_problem import random_modes
from trimorph.run.motion_cloud import CloudMotion
from trimorph.run.run import Run

PASSES, SPARE = 4, 2
"""Passes through the images, and modes that are carried along beside those that are wanted."""

LEAST = 1e-3
"""What images see of a shell is taken as at least this share of what they see of the best one."""

DECODED = 96
"""Particles at whose latents a model is decoded to see in which ways its densities differ."""


def find_modes(
    seen: Whitened,
    rows: Int[ndarray, " r"],
    *,
    count: int,
    mask: Float[Tensor, "c c c"],
    seed: int,
) -> Float[Tensor, "k c c c"]:
    """The modes along which some images differ most from their mean, the clearest first.

    The log-likelihood of the images gains, to first order in a variance along u, half of u^T S u, with

        S = sum_i A_i^T (r_i r_i^T - 1) A_i,

    A_i the projection and r_i the residual in units of the noise. Its leading eigenvectors, in coordinates in
    which the noise is as large at all frequencies, are found in the space that powers of S make of a block of
    modes (block Lanczos).
    Source: the score test of a variance component, as Lin, Biometrika 84 (1997) 309.
    """
    box = mask.shape[-1]
    generator = torch.Generator().manual_seed(seed)
    radius = float(seen.images.disk.radius[-1])
    start = random_modes(1, count + SPARE, box=box, radius=radius, generator=generator)[0] * mask
    gain = _whitening(start, _applied(seen, rows, start, residual=False), radius)

    def step(block: Tensor) -> Tensor:
        values = _filtered(block, gain) * mask
        return _filtered(_applied(seen, rows, values) * mask, gain)

    block, blocks, moved = _unit(start), [], []
    for _ in range(PASSES):
        blocks.append(block)
        moved.append(step(block))
        block = _unit(moved[-1], without=blocks)
    basis, image = (torch.cat(parts).flatten(1).double() for parts in (blocks, moved))
    product = basis @ image.T
    _, turn = torch.linalg.eigh(0.5 * (product + product.T))
    axes = (turn.flip(1)[:, :count].T @ basis).float()
    return normalised(_filtered(axes.reshape(-1, box, box, box), gain) * mask)


def decoded_modes(
    run: Run, *, count: int, box: int, pixel_size: float, radius: float
) -> tuple[Float[Tensor, "k c c c"], Float[ndarray, "v k"], Int[ndarray, " v"]]:
    """Principal components of a run's densities at the latents of some of its particles.

    They are taken up to a ``radius`` in Fourier pixels. Returned are modes, the places of these particles
    along them, and their numbers. Components of less than a thousandth of the variance are left out, but for
    the first.
    """
    latents = run.latents().mean
    chosen = np.unique(np.linspace(0, len(latents) - 1, DECODED).astype(np.int64))
    maps = np.stack([run.volume(z, box=box, pixel_size=pixel_size) for z in latents[chosen]])
    kept = (shells(box) <= radius).float()
    centred = _filtered(torch.as_tensor(maps - maps.mean(0)), kept).flatten(1)
    place, size, axes = torch.linalg.svd(centred, full_matrices=False)
    number = int((size**2 > 1e-3 * (size**2).sum()).sum())
    number = max(1, min(count, latents.shape[1], number))
    modes = axes[:number].reshape(-1, box, box, box)
    return normalised(modes), (place * size)[:, :number].double().numpy(), chosen


@torch.no_grad()
def displacements(
    run: Run, place: Float[ndarray, "v k"], latents: Float[ndarray, "v d"]
) -> Float[ndarray, " k"]:
    """Root mean square Å between the mean latents of the tenths at both ends; NaN where no part can move."""
    method, tenth = run.method(), max(1, len(place) // 10)
    if not isinstance(method.decode(torch.as_tensor(latents[:1])), Gaussians):
        return np.full(place.shape[1], np.nan)
    order = np.argsort(place, axis=0)
    ends = [np.stack([latents[part].mean(0) for part in (one[:tenth], one[-tenth:])]) for one in order.T]
    return np.array([CloudMotion.between(method, end).rms() for end in ends])


def normalised(modes: Float[Tensor, "k c c c"]) -> Float[Tensor, "k c c c"]:
    """Modes of length 1 over the voxels."""
    return modes / modes.flatten(1).norm(dim=1).clamp_min(1e-20)[:, None, None, None]


def shared_span(
    first: Float[Tensor, "k c c c"], second: Float[Tensor, "l c c c"]
) -> tuple[Float[ndarray, " k"], Int[ndarray, " k"]]:
    """How much of each mode lies in the space of others, as a cosine, and which of these is most like it."""
    base = torch.linalg.qr(second.flatten(1).T).Q
    inside = (first.flatten(1) @ base).norm(dim=1)
    alike = (first.flatten(1) @ second.flatten(1).T).abs().argmax(1)
    return inside.clamp(max=1).double().numpy(), alike.numpy()


def _applied(seen: Whitened, rows: Int[ndarray, " r"], values: Tensor, *, residual: bool = True) -> Tensor:
    """S times each of the modes; without the residuals, sum_i A_i^T A_i times each.

    It is the gradient of half of sum_i (r_i^T A_i u)^2 - |A_i u|^2.
    """
    modes = values.detach().requires_grad_()
    for index, design in seen.design(modes, rows, slices=Slices(seen.images.disk, width=2)):
        total = -design.square().sum()
        if residual:
            along = torch.einsum("bmk,bm->bk", design, seen.residual[index])
            total = total + along.square().sum()
        (0.5 * total).backward()
    assert modes.grad is not None  # as there are images
    return modes.grad if residual else -modes.grad


def _whitening(modes: Tensor, seen: Tensor, radius: float) -> Float[Tensor, "c c c"]:
    """1 / sqrt of what the images see of each shell, 0 beyond the last that they hold."""
    shell = shells(modes.shape[-1])
    flat, count = shell.flatten(), int(shell.max()) + 1
    first, second = torch.fft.fftn(modes, dim=(1, 2, 3)), torch.fft.fftn(seen, dim=(1, 2, 3))
    cross = torch.zeros(count).index_add_(0, flat, (first.conj() * second).real.sum(0).flatten())
    power = torch.zeros(count).index_add_(0, flat, first.abs().square().sum(0).flatten())
    information = cross / power.clamp_min(1e-20)
    information[0] = information[1]  # of which images show nothing, as their mean is not looked at
    there = torch.arange(count) <= radius
    least = LEAST * float(information[there].max())
    return torch.where(there, information.clamp_min(least).rsqrt(), 0.0)[shell]


def _filtered(values: Tensor, gain: Tensor) -> Tensor:
    return torch.fft.ifftn(torch.fft.fftn(values, dim=(1, 2, 3)) * gain, dim=(1, 2, 3)).real


def _unit(block: Tensor, without: Sequence[Tensor] = ()) -> Tensor:
    """An orthonormal basis of the same space, or of what others, which are orthonormal, leave of it."""
    rows = block.flatten(1).double()
    for _ in range(2):  # once more, as rounding leaves some
        for other in without:
            base = other.flatten(1).double()
            rows = rows - (rows @ base.T) @ base
        rows = torch.linalg.qr(rows.T).Q.T
    return rows.reshape(block.shape).to(block)
