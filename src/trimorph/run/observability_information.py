"""Fisher information: what an image at a pose can say of its latent, seen through the renderer.

Letters: b images, d components of the latent, k directions, n pixels of the disk.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.imaging import render_batch
from trimorph.core.volume import AbstractVolume

STEP = 0.1
"""Step of the derivatives to either side, in standard deviations of the latent. Central differences mistake a
derivative by step^2 / 6 times the third one: for a part that moves by its own width a standard deviation that
is half a percent. Images are exact to 1e-5 of themselves, and change by a percent or more in such a step."""


@torch.no_grad()
def fisher_information(
    decode: Callable[[Float[Tensor, "v d"]], AbstractVolume],
    batch: Batch,
    *,
    z: Float[Tensor, "b d"],
    directions: Float[Tensor, "k d"],
    power: Float[Tensor, "b n"],
) -> Float[Tensor, "b k k"]:
    """Information about the latent of each image, along directions as long as its standard deviation.

    I_ab = sum over the whole plane of Re(conj(J_a) J_b) / power, with J_a the derivative of the noise-free
    image by a step along direction a, at the image's own pose, CTF and latent: the second derivative of
    :func:`trimorph.core.losses.whitened_likelihood` where the image is what the model predicts.
    """
    scale = (batch.disk.weight / power).sqrt()
    columns = []
    for direction in directions:
        forth, back = (render_batch(decode(z + step * direction), batch) for step in (STEP, -STEP))
        columns.append(torch.view_as_real((forth - back) * (scale / (2 * STEP))).flatten(1))
    slopes = torch.stack(columns, dim=1)
    return slopes @ slopes.mT


def latent_gain(
    information: Float[Tensor, "b k k"], directions: Float[Tensor, "k d"], axis: Float[Tensor, " d"]
) -> Float[Tensor, " b"]:
    """Share of the variance of the latent along a unit vector that an image takes away, from 0 to 1.

    The prior is a Gaussian whose covariance P has ``directions`` L as its root, P = L^T L; with the image it
    is Q = L^T (1 + I)^-1 L, and the share is 1 - u^T Q u / u^T P u. With one component, of variance p, this
    is p / (p + 1 / I).

    >>> information = torch.tensor([[[3.0]], [[0.0]]])
    >>> latent_gain(information, torch.tensor([[2.0]]), torch.tensor([1.0])).tolist()
    [0.75, 0.0]
    """
    unit = torch.eye(information.shape[-1], dtype=torch.float64, device=information.device)
    along = (directions @ axis).double()
    left = torch.linalg.solve(information.double() + unit, along[:, None].expand(len(information), -1, 1))
    return 1 - (along[:, None] * left).sum((1, 2)) / along.square().sum()
