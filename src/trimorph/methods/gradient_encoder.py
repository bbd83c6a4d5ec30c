"""GradientEncoder: how an image would move and grow the parts of the mean map, mapped to its latent.

Letters: b images, c box of the grid, g Gaussians, k anchors, s rings of the disk, t directions.
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
from trimorph.core.imaging import render_batch
from trimorph.core.losses import whitened_likelihood
from trimorph.core.noise import NoiseModel
from trimorph.core.voxel_grid import VoxelGrid, resample
from trimorph.methods.base import Problem
from trimorph.methods.cloud_decoder import farthest_points
from trimorph.methods.mode_frame import coarsest_grid
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.posterior import Posterior

FINENESS = 8.0
"""The particle's diameter over the finest resolution that is seen, by default."""

ANCHORS = 64
"""Parts of the map that move and grow apart from one another."""

FEATURES = 4 * ANCHORS
"""Move along x, y, z and growth of each anchor."""

FAINTEST = 0.1
"""Density from which there are Gaussians, relative to where the map is dense."""

DIRECTIONS = 100
"""Directions over which information is averaged."""


class GradientEncoder(nn.Module):
    """The gradient of the likelihood with respect to Gaussians that stand for the mean map, then a network.

    The Gaussians stand on a grid, and move and grow as K anchors among them do. The gradient is taken at the
    mean map, at the image's pose and CTF, in the object's frame: it undoes the pose, has nothing along the
    view, and takes no modes to be found first. It is in units of its standard deviation under noise alone.
    Poses that are refined change the input, without a gradient.

    Source: Chen & Ludtke, Nature Methods 18 (2021) 930, where the score is a ring correlation without CTF,
    and the network sees five numbers of every Gaussian; likelihood, anchors and units are ours.
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
        if problem.mean is None:
            raise InputError(
                "GradientEncoder: found a problem without a mean map; wanted one, as its Gaussians stand for "
                "it. Choose another encoder, or add to the problem what Method.wants names."
            )
        whole = FourierDisk(problem.box, problem.pixel_size)
        self.disk = whole.limit(resolution=resolution or 2 * problem.radius / FINENESS)
        box, self.pixel_size = coarsest_grid(self.disk)
        dense = problem.mean if problem.mask is None else problem.mean * problem.mask
        maps = torch.stack([problem.mean, dense])
        coarse = resample(maps, whole.pixel_size, box=box, pixel_size=self.pixel_size)
        self.register_buffer("mean", coarse[0].clone())
        self.register_buffer("dense", coarse[1].clone())
        self.register_buffer("noise_power", problem.noise.power / problem.window_share)
        self.mean: Tensor
        self.dense: Tensor
        self.noise_power: Tensor
        self._neutral = _Neutral.of(self.mean, self.dense, self.pixel_size, self.disk)
        self._made_of = self._maps
        self.network = ResidualMLP(FEATURES, 2 * latent_dim, width=width, layers=layers)

    def forward(self, batch: Batch, noise: NoiseModel) -> Posterior:
        """Posterior with independent components."""
        features = self.features(batch) / FEATURES**0.5
        mean, log_variance = self.network(features[None])[0].float().chunk(2, dim=-1)
        return Posterior.diagonal(mean, log_variance)

    @torch.no_grad()
    def features(self, batch: Batch) -> Float[Tensor, "b f"]:
        """The gradient in units of its standard deviation under noise, at the image's CTF over all views.

        An image of the mean map and noise has features of mean 0 and, over many views, of variance 1.
        """
        scale = self.information(batch).clamp_min(1e-20).sqrt()
        return (self.gradient(batch) / scale).flatten(1)

    def gradient(self, batch: Batch) -> Float[Tensor, "b k 4"]:
        """Derivatives of the log-likelihood by each anchor's move (1/Å) and relative growth."""
        batch = batch.limit(batch.disk.first(len(self.disk)))
        device, neutral = batch.disk.device, self.neutral
        with torch.enable_grad(), torch.autocast(device.type, enabled=False):
            change = torch.zeros(len(batch), ANCHORS, 4, device=device, requires_grad=True)
            cloud = render_batch(neutral.changed(change), batch)
            # the derivatives are the Gaussians', but what is left to explain is the map's own
            predicted = render_batch(neutral.mean, batch) + (cloud - cloud.detach())
            power = NoiseModel(self.noise_power).at(batch.disk, batch.group)
            loss = whitened_likelihood(predicted, batch.image, power=power, disk=batch.disk).sum()
            return -torch.autograd.grad(loss, change)[0]

    def information(self, batch: Batch) -> Float[Tensor, "b k 4"]:
        """Variance of the gradient under noise, at the image's CTF and averaged over views."""
        disk = batch.disk.first(len(self.disk))
        power = NoiseModel(self.noise_power).at(disk, batch.group)
        seen = batch.ctf(disk) ** 2 * disk.weight / power
        rings = seen.new_zeros(len(batch), int(disk.shell[-1]) + 1).index_add_(1, disk.shell, seen)
        return torch.einsum("bs,skf->bkf", rings, self.neutral.ring_power[: rings.shape[1]])

    @property
    def neutral(self) -> _Neutral:
        """The Gaussians and what goes with them, made anew where the maps are others."""
        if self._made_of != self._maps:
            self._neutral = _Neutral.of(self.mean, self.dense, self.pixel_size, self.disk)
            self._made_of = self._maps
        return self._neutral

    @property
    def _maps(self) -> tuple[int, int, torch.device]:
        return self.mean._version, self.dense._version, self.mean.device


@dataclass(frozen=True, eq=False)
class _Neutral:
    """Gaussians for a map, each anchor's share in them, and the ring power of what an anchor changes."""

    gaussians: Gaussians
    share: Float[Tensor, "k g"]
    mean: VoxelGrid
    ring_power: Float[Tensor, "s k 4"]

    @classmethod
    def of(cls, mean: Tensor, dense: Tensor, pixel_size: float, disk: FourierDisk) -> _Neutral:
        """A Gaussian on every voxel where the map is dense enough, half a voxel wide.

        Errors: InputError where there is none.
        """
        positive = dense.nan_to_num().clamp_min(0)
        typical = (positive.pow(4).sum() / positive.square().sum().clamp_min(1e-30)).sqrt()
        place = torch.nonzero(positive > FAINTEST * typical)
        if len(place) == 0:
            raise InputError(
                "GradientEncoder: found a mean map without positive density where it may vary; wanted some. "
                "Look at poses, CTF and images (trimorph reconstruct shows the map), and at the mask."
            )
        position = (place.flip(1) - len(dense) // 2) * pixel_size
        amplitude = dense[place.unbind(1)] * pixel_size**3
        width = torch.full_like(amplitude, 0.5 * pixel_size)
        gaussians = Gaussians(position[None], amplitude[None], width[None])
        share = _shares(position, least=pixel_size)
        grid = VoxelGrid(mean[None], pixel_size)
        return cls(gaussians, share, grid, _ring_power(gaussians, share, disk))

    def changed(self, change: Float[Tensor, "b k 4"]) -> Gaussians:
        """The Gaussians where the anchors have moved (Å) and grown (relative to what they were)."""
        change = torch.einsum("kg,bkf->bgf", self.share, change)
        neutral = self.gaussians
        return Gaussians(
            neutral.position + change[..., :3],
            neutral.amplitude * (1 + change[..., 3]),
            neutral.width.expand(len(change), -1),
        )


def _shares(position: Float[Tensor, "g 3"], *, least: float) -> Float[Tensor, "k g"]:
    """Normal in the distance to the anchor, in units of that between anchors, and 1 in sum over anchors."""
    anchors = farthest_points(position, min(ANCHORS, len(position)))
    apart = torch.cdist(anchors, anchors).fill_diagonal_(torch.inf)
    reach = float(apart.amin(1).clamp(least, least * ANCHORS).mean())
    share = torch.softmax(-((torch.cdist(anchors, position) / reach) ** 2), dim=0)
    return nn.functional.pad(share, (0, 0, 0, ANCHORS - len(share)))


def _ring_power(
    gaussians: Gaussians, share: Float[Tensor, "k g"], disk: FourierDisk
) -> Float[Tensor, "s k 4"]:
    """Mean square over all directions of the derivatives' transforms, which is that over all their slices."""
    step = torch.arange(DIRECTIONS, dtype=torch.float64) + 0.5
    z, angle = 1 - step / DIRECTIONS, pi * (1 + 5**0.5) * step
    across = (1 - z**2).sqrt()
    direction = torch.stack([across * angle.cos(), across * angle.sin(), z], 1).to(share)
    radius = disk.ring_mean(disk.radius).to(share) / (disk.box * disk.pixel_size)
    k = (radius[:, None, None] * direction).flatten(0, 1)
    phase = 2 * pi * k @ gaussians.position[0].T
    strength = gaussians.amplitude * torch.exp(-2 * (pi * gaussians.width) ** 2 * (k**2).sum(1)[:, None])
    wave = strength / disk.pixel_size**3
    power = ((wave * phase.cos()) @ share.T) ** 2 + ((wave * phase.sin()) @ share.T) ** 2
    order = torch.cat([(2 * pi * k) ** 2, torch.ones_like(k[:, :1])], 1)
    return (power[:, :, None] * order[:, None]).unflatten(0, (len(radius), DIRECTIONS)).mean(1)
