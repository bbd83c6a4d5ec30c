"""GradientEncoder: how an image would have the mean map's parts move and grow, mapped to its latent.

Letters: b images, n pixels of the disk, c box of the grid, g Gaussians, k anchors, s rings of the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.core.gridding import Gridding
from trimorph.core.imaging import render_batch
from trimorph.core.losses import whitened_likelihood
from trimorph.core.noise import NoiseModel
from trimorph.core.voxel_grid import VoxelGrid, resample
from trimorph.methods.base import Problem
from trimorph.methods.mode_frame import coarsest_grid
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.posterior import Posterior

FINENESS = 8.0
"""The particle's diameter over the resolution limit, by default."""

ANCHORS = 64
"""Parts of the map that move and grow on their own."""

FAINTEST = 0.1
"""Density of the map, relative to where it is dense, from which it has Gaussians."""

DIRECTIONS = 100
"""Directions over which the information is averaged."""


class GradientEncoder(nn.Module):
    """The gradient of an image's likelihood with respect to Gaussians that stand for the mean map.

    The Gaussians stand on a grid; their moves and growths are those of K anchors spread over the map, so the
    gradient has four numbers an anchor: three of its move, in the object's frame, and one of its growth. It
    is taken at the mean map, with the image's own pose and CTF, and is in units of its standard deviation
    under noise, averaged over views; it has no component along the view. The network sees it beside the
    view. Poses that are refined change the input, without a gradient.

    Source: Chen & Ludtke, Nature Methods 18 (2021) 930, whose score is a ring correlation without CTF, and
    whose network sees the gradient of every Gaussian; likelihood, units and anchors are ours.
    """

    def __init__(
        self,
        problem: Problem,
        latent_dim: int,
        *,
        width: int,
        layers: int,
        resolution: float | None = None,
    ) -> None:
        super().__init__()
        if problem.mean is None or not bool(problem.mean.isfinite().all()) or not bool(problem.mean.any()):
            raise InputError(
                "GradientEncoder: found a problem without a mean map, or one that is zero everywhere or not "
                "finite; wanted a density. Look at poses, CTF and images: trimorph reconstruct shows the map."
            )
        whole = FourierDisk(problem.box, problem.pixel_size)
        self.disk = whole.limit(resolution=resolution or 2 * problem.radius / FINENESS)
        box, self.pixel_size = coarsest_grid(self.disk)
        maps = [problem.mean] if problem.mask is None else [problem.mean, problem.mean * problem.mask]
        coarse = resample(torch.stack(maps), whole.pixel_size, box=box, pixel_size=self.pixel_size)
        self.register_buffer("mean", coarse[:1].clone())
        self.register_buffer("varied", coarse[-1].clone())
        self.register_buffer("noise_power", problem.noise.power / problem.window_share)
        self.mean: Tensor
        self.varied: Tensor
        self.noise_power: Tensor
        self._neutral: _Neutral | None = None
        self.network = ResidualMLP(4 * ANCHORS + 6, 2 * latent_dim, width=width, layers=layers)

    def forward(self, batch: Batch, noise: NoiseModel) -> Posterior:
        """Posterior with independent components."""
        mean, log_variance = self.network(self.features(batch)[None])[0].float().chunk(2, dim=-1)
        return Posterior.diagonal(mean, log_variance)

    def features(self, batch: Batch) -> Float[Tensor, "b f"]:
        """Gradient of each anchor's move (x, y, z) and growth, and the view: z z^T of its direction z."""
        gradient = self.gradient(batch) / self.information(batch).sqrt()
        along = batch.rotation[:, 2]
        row, column = torch.tril_indices(3, 3)
        view = (along[:, :, None] * along[:, None, :])[:, row, column]
        return torch.cat([gradient.flatten(1), 3 * view], dim=1)

    def gradient(self, batch: Batch) -> Float[Tensor, "b k 4"]:
        """Derivatives of the log-likelihood to the anchors' moves, per Å, and relative growths."""
        batch = batch.limit(batch.disk.first(len(self.disk)))
        with torch.enable_grad(), torch.autocast(batch.disk.device.type, enabled=False):
            change = torch.zeros(len(batch), ANCHORS, 4, device=batch.disk.device, requires_grad=True)
            predicted = render_batch(self.neutral.cloud(change), batch)
            predicted = predicted + (render_batch(self.neutral.mean, batch) - predicted).detach()
            power = NoiseModel(self.noise_power).at(batch.disk, batch.group)
            loss = whitened_likelihood(predicted, batch.image, power=power, disk=batch.disk).sum()
            return -torch.autograd.grad(loss, change)[0]

    def information(self, batch: Batch) -> Float[Tensor, "b k 4"]:
        """Variance of the gradient under noise at the image's CTF, averaged over views."""
        disk = batch.disk.first(len(self.disk))
        power = NoiseModel(self.noise_power).at(disk, batch.group)
        seen = batch.ctf(disk) ** 2 * disk.weight / power
        rings = seen.new_zeros(len(batch), int(self.disk.shell[-1]) + 1).index_add_(1, disk.shell, seen)
        return torch.einsum("bs,ksf->bkf", rings, self.neutral.ring_power).clamp_min(1e-20)

    @property
    def neutral(self) -> _Neutral:
        """The Gaussians and what goes with them, made anew where the map is another."""
        version = (self.mean._version, self.mean.device)
        if self._neutral is None or self._neutral.version != version:
            self._neutral = _neutral(self.mean, self.varied, self.pixel_size, self.disk)
            self._neutral.version = version
        return self._neutral


@dataclass
class _Neutral:
    gaussians: Gaussians
    share: Float[Tensor, "k g"]
    mean: VoxelGrid
    ring_power: Float[Tensor, "k s 4"]
    version: object = None

    def cloud(self, change: Float[Tensor, "b k 4"]) -> Gaussians:
        moved = torch.einsum("kg,bkf->bgf", self.share, change)
        neutral = self.gaussians
        return Gaussians(
            neutral.position + moved[..., :3],
            neutral.amplitude * (1 + moved[..., 3]),
            neutral.width.expand(len(change), -1),
        )


def _neutral(mean: Tensor, varied: Tensor, pixel_size: float, disk: FourierDisk) -> _Neutral:
    box = varied.shape[-1]
    dense = (varied.clamp_min(0).pow(4).sum() / varied.clamp_min(0).square().sum().clamp_min(1e-30)).sqrt()
    place = torch.nonzero(varied > FAINTEST * dense)
    position = (place.flip(1) - box // 2) * pixel_size
    amplitude = varied[varied > FAINTEST * dense] * pixel_size**3
    gaussians = Gaussians(position[None], amplitude[None], torch.full_like(amplitude, 0.5 * pixel_size)[None])
    anchors = position[_farthest(position, ANCHORS)]
    distance = torch.cdist(anchors, anchors)
    distance.fill_diagonal_(torch.inf)
    reach = distance.amin(1).mean()
    share = torch.softmax(-0.5 * (torch.cdist(anchors, position) / (0.7 * reach)) ** 2, dim=0)
    grid = VoxelGrid(mean, pixel_size, Gridding(3))
    return _Neutral(gaussians, share, grid, _ring_power(gaussians, share, disk))


def _farthest(position: Tensor, count: int) -> Tensor:
    chosen = [int((position - position.mean(0)).norm(dim=-1).argmin())]
    distance = (position - position[chosen[0]]).norm(dim=-1)
    for _ in range(count - 1):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (position - position[chosen[-1]]).norm(dim=-1))
    return torch.tensor(chosen)


def _ring_power(gaussians: Gaussians, share: Tensor, disk: FourierDisk) -> Tensor:
    """Mean squares over directions of the derivatives' transforms on each ring."""
    step = torch.arange(DIRECTIONS, dtype=torch.float32) + 0.5
    z = 1 - step / DIRECTIONS
    angle = pi * (1 + 5**0.5) * step
    direction = torch.stack([(1 - z**2).sqrt() * angle.cos(), (1 - z**2).sqrt() * angle.sin(), z], 1)
    rings = int(disk.shell[-1]) + 1
    radius = disk.ring_mean(disk.radius.float()) / (disk.box * disk.pixel_size)
    k = (radius[:, None, None] * direction).flatten(0, 1).to(share)
    phase = 2 * pi * k @ gaussians.position[0].T
    envelope = torch.exp(-2 * (pi * gaussians.width[0]) ** 2 * k.square().sum(-1, keepdim=True))
    wave = gaussians.amplitude[0] * envelope / disk.pixel_size**3
    power = ((wave * phase.cos()) @ share.T) ** 2 + ((wave * phase.sin()) @ share.T) ** 2
    factor = torch.cat([(2 * pi * k) ** 2, torch.ones_like(k[:, :1])], 1)
    return (power[:, :, None] * factor[:, None]).view(rings, DIRECTIONS, -1, 4).mean(1).movedim(0, 1)
