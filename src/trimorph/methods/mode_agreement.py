"""What two half sets agree on: their modes in a common order, the power they share, the angles between them.

Letters: k modes, p voxels, c box, s shells.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

SEED = 8128
"""Of the phases for :func:`chance_cosine`: none that modes are likely to have started from."""


def align(
    first: Float[Tensor, "k p"], second: Float[Tensor, "k p"]
) -> tuple[Float[Tensor, "k p"], Float[Tensor, "k p"]]:
    """Turn two sets of modes, each free up to a rotation of its latents, so that they match one by one.

    Rotations U, W with U^T (first second^T) W diagonal and falling: shared variance comes first.
    """
    left, _, right = torch.linalg.svd(first @ second.T)
    return left.T @ first, right @ second


def principal(modes: Float[Tensor, "k p"]) -> Float[Tensor, "k p"]:
    """The same covariance of densities by orthogonal modes, the one of largest norm first."""
    _, size, axes = torch.linalg.svd(modes, full_matrices=False)
    return size[:, None] * axes


def principal_cosines(first: Float[Tensor, "k p"], second: Float[Tensor, "k p"]) -> Float[Tensor, " k"]:
    """Cosines of the principal angles between the spaces that two sets of modes span; 1 is agreement.

    >>> x, y, z = torch.eye(3)
    >>> principal_cosines(torch.stack([x, y]), torch.stack([y, z])).tolist()
    [1.0, 0.0]
    """
    bases = [torch.linalg.qr(modes.T).Q for modes in (first, second)]
    return torch.linalg.svdvals(bases[0].T @ bases[1]).clamp(max=1.0)


def chance_cosine(
    first: Float[Tensor, "k c c c"], second: Float[Tensor, "k c c c"], *, mask: Float[Tensor, "c c c"]
) -> float:
    """The best of the :func:`principal_cosines` that such modes have by chance: the highest of three draws.

    The second set's Fourier phases are drawn anew, so that spectra and mask stay and all agreement goes. It
    grows with the number of modes, and where the mask is small or the modes are coarse.
    """
    generator = torch.Generator().manual_seed(SEED)
    axes = (1, 2, 3)
    size = torch.fft.fftn(second, dim=axes).abs()
    highest = 0.0
    for _ in range(3):
        noise = torch.fft.fftn(torch.randn(second.shape, generator=generator).to(second), dim=axes)
        drawn = torch.fft.ifftn(size * torch.sgn(noise), dim=axes).real * mask
        highest = max(highest, float(principal_cosines(first.flatten(1), drawn.flatten(1))[0]))
    return highest


def shared_power(first: Float[Tensor, "k c c c"], second: Float[Tensor, "k c c c"]) -> Float[Tensor, "k s"]:
    """Power on each Fourier shell that both halves have: the mean of Re(first second*), noise-free."""
    a, b = torch.fft.fftn(first, dim=(1, 2, 3)), torch.fft.fftn(second, dim=(1, 2, 3))
    shell = shells(first.shape[-1], device=first.device).flatten()
    count = torch.bincount(shell)
    cross = (a * b.conj()).real.flatten(1)
    total = cross.new_zeros(len(cross), len(count)).index_add_(1, shell, cross)
    return total / count


def prior_penalty(modes: Float[Tensor, "k c c c"], power: Float[Tensor, "k s"]) -> Float[Tensor, ""]:
    """Negative log of a Gaussian prior of the modes' transforms with such a power on each shell."""
    found = torch.fft.fftn(modes, dim=(1, 2, 3)).abs().square()
    return 0.5 * (found / power[:, shells(modes.shape[-1], device=modes.device)]).sum()


def shells(box: int, *, device: torch.device | None = None) -> Int[Tensor, "c c c"]:
    """Rounded radius of every point of a box's Fourier transform, as ``fftn`` lays it out."""
    axis = torch.fft.fftfreq(box, 1 / box, device=device) ** 2
    return (axis[:, None, None] + axis[:, None] + axis).sqrt().round().long()
