"""The slices of Gaussians by direct summation, Gaussian by pixel: the oracle."""

from __future__ import annotations

import torch
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.gaussian_cloud import PlaneCloud
from trimorph.core.gaussians import Gaussians


def direct_project(cloud: Gaussians, rotation: Tensor, disk: FourierDisk) -> Tensor:
    """sum_n amplitude exp(-2 pi^2 width^2 k^2 - 2 pi i k . x_n) / pixel volume at k = R^T (kx, ky, 0)."""
    frequency = disk.index.double() / (disk.box * disk.pixel_size)
    k = torch.einsum("bji,nj->bni", rotation[:, :2].double(), frequency)
    position = cloud.position.double().expand(len(rotation), -1, -1)
    amplitude = cloud.amplitude.double().expand(len(rotation), -1)
    width = cloud.width.double().expand(len(rotation), -1)
    phase = -2j * torch.pi * torch.einsum("bni,bgi->bng", k, position)
    decay = -2 * torch.pi**2 * (k**2).sum(-1)[..., None] * width[:, None] ** 2
    return (amplitude[:, None] * torch.exp(decay + phase)).sum(-1) / disk.pixel_size**3


def direct_slices(cloud: PlaneCloud, index: Tensor) -> Tensor:
    """sum_n amplitude exp(-2 pi^2 variance k^2 - 2 pi i k . plane) at whole k, of Gaussians on the plane."""
    k = index.double()
    phase = -2j * torch.pi * torch.einsum("bgi,ni->bng", cloud.plane.double(), k)
    decay = -2 * torch.pi**2 * (k**2).sum(-1)[:, None] * cloud.variance.double()[:, None]
    return (cloud.amplitude.double()[:, None] * torch.exp(decay + phase)).sum(-1)
