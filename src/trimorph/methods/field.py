"""Method `field`: a neural field in Fourier space, as in cryoDRGN.

V(k, z) = mean(k) + network(encoding(k), z); images are its central slices times the CTF, and an encoder gives
q(z | image). Training maximises the evidence lower bound of the images under Gaussian noise.

Source: Zhong, Bepler, Berger & Davis, Nature Methods 18 (2021) 176.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.checks import check_choice, check_range
from trimorph.core.errors import InputError
from trimorph.core.fourier_field import FourierField
from trimorph.core.imaging import render_batch
from trimorph.core.losses import whitened_likelihood
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.methods.base import Ingredient, Method, Problem, Stage, Survey
from trimorph.methods.encoders import LatentTable, NoLatent, PixelEncoder
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.object_frame import ObjectFrameEncoder
from trimorph.methods.poses import PoseTable
from trimorph.methods.positional import Encoding, PositionalEncoding
from trimorph.methods.posterior import Posterior

Encoder = Literal["object", "pixels", "none"]

BETA_PEAK = 4.0

FREE_NATS = 0.5
"""Divergence, a mean over the batch, that costs nothing: it keeps latents from dying before the decoder can
use them. Source: Kingma et al., NeurIPS 2016 (free bits)."""


@dataclass(frozen=True)
class FieldSettings:
    """Settings of the method `field`."""

    latent_dim: int = 8
    """Number of latent components; 0 reconstructs one map."""
    epochs: int = 20
    """Passes through the particles."""
    learning_rate: float = 1e-3
    """Peak learning rate of encoder and decoder."""
    width: int = 256
    """Units in a hidden layer of the decoder (the paper: 128 to 1024)."""
    layers: int = 3
    """Residual layers of the decoder (the paper: 3 to 10)."""
    encoding: Encoding = "gaussian"
    """Positional encoding of frequencies."""
    encoding_sigma: float = 1.5
    """Spread of the gaussian encoding: it resolves distances up to about 0.08 sigma boxes from the centre, so
    1.5 suits a particle that fills half the box (cryoDRGN: 0.5)."""
    encoder: Encoder = "object"
    """What gives the latents: object, a network that sees the posterior of the linear modes; pixels, one that
    sees the image; none, a table with one latent a particle."""
    encoder_width: int = 256
    """Units in a hidden layer of the encoder."""
    encoder_layers: int = 3
    """Residual layers of the encoder."""
    encoder_resolution: float | None = None
    """Finest resolution in Å that the encoder pixels sees; all by default."""
    latent_learning_rate: float = 5e-2
    """Learning rate of the table of latents (encoder none)."""
    beta: float | None = None
    """Weight of the divergence to the latents' prior; 1 / latent_dim by default."""
    beta_peak: float | None = None
    """Weight of the divergence that training passes through on its way to beta: few directions of the latent
    are used at first, and others only as they are needed. By default 4 for the encoder object, else beta."""
    beta_warm_up: float = 0.8
    """Fraction of training over which the weight rises from zero to its peak and falls to beta."""
    from_mean: bool = True
    """Start from the back-projected map and learn what differs from it."""
    coarse_to_fine: bool = True
    """Raise the resolution limit in three stages instead of training on all frequencies at once."""
    refine_poses: bool = False
    """Learn a correction to each particle's pose."""
    pose_learning_rate: float = 0.2
    """Learning rate of the poses, in units of the prior's standard deviation."""
    pose_start: int = 5
    """Epochs before poses begin to move."""
    pose_angle_deg: float = 2.0
    """Prior standard deviation of the rotation corrections in degrees."""
    pose_distance: float = 2.0
    """Prior standard deviation of the shift corrections in Å."""
    network_seed: int = 0
    """Seed of the random encoding vectors."""

    def __post_init__(self) -> None:
        for name in ("latent_dim", "beta", "beta_peak", "pose_start"):
            check_range(name, getattr(self, name), least=0)
        for name in ("epochs", "width", "layers", "encoder_width", "encoder_layers"):
            check_range(name, getattr(self, name), least=1)
        for name in ("learning_rate", "latent_learning_rate", "pose_learning_rate"):
            check_range(name, getattr(self, name), above=0)
        for name in ("encoding_sigma", "encoder_resolution", "pose_angle_deg", "pose_distance"):
            check_range(name, getattr(self, name), above=0)
        check_range("beta_warm_up", self.beta_warm_up, least=0, most=1)
        check_choice("encoding", self.encoding, get_args(Encoding))
        check_choice("encoder", self.encoder, get_args(Encoder))
        if self.refine_poses and self.pose_start >= self.epochs:
            raise InputError(
                f"Found pose_start = {self.pose_start} with epochs = {self.epochs}; wanted poses that begin "
                "to move before training ends. Pass a smaller --pose-start or more --epochs."
            )


class Field(Method):
    """The neural field; see the module's docstring."""

    Settings: ClassVar[type[FieldSettings]] = FieldSettings

    def __init__(self, settings: FieldSettings, problem: Problem) -> None:
        super().__init__(problem)
        self.settings = settings
        self.encoder = self._make_encoder(problem)
        self.decoder = FieldDecoder(settings, problem)
        self.poses = (
            PoseTable(
                problem.particles,
                angle=settings.pose_angle_deg * torch.pi / 180,
                distance=settings.pose_distance,
            )
            if settings.refine_poses
            else None
        )

    @classmethod
    def wants(cls, settings: FieldSettings) -> frozenset[Ingredient]:
        """The mean map, where training starts from it, and what the encoder needs."""
        modes = settings.encoder == "object" and settings.latent_dim > 0
        return frozenset({"mean", "modes"} if modes else {"mean"} if settings.from_mean else ())

    @property
    def latent_dim(self) -> int:
        """Number of latent components."""
        return self.settings.latent_dim

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Three resolution limits if coarse to fine, cut once more where the poses begin to move."""
        return field_stages(self.settings, nyquist=2 * self.disk.pixel_size)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Groups: network, latents (a table), poses (a table)."""
        groups = {"network": list(self.decoder.parameters())}
        key = "latents" if isinstance(self.encoder, LatentTable) else "network"
        groups.setdefault(key, []).extend(self.encoder.parameters())
        if self.poses is not None:
            groups["poses"] = list(self.poses.parameters())
        return groups

    def encode(self, batch: Batch) -> Posterior:
        """Posterior of each image's latent."""
        posterior: Posterior = self.encoder(batch, self.noise)
        return posterior

    def decode(self, z: Float[Tensor, "v d"]) -> FourierField:
        """The field at latents z."""
        return self.decoder.field(z)

    def forward(self, batch: Batch, stage: Stage, progress: float) -> dict[str, Tensor]:
        """Negative log-likelihood and divergences, a pixel of the plane each."""
        pixels = float(batch.disk.weight.sum())
        terms = {}
        if self.poses is not None and "poses" in stage.learning_rate:
            batch, penalty = self.poses(batch)
            terms["pose_prior"] = penalty.mean() / pixels
        posterior = self.encode(batch)
        predicted = render_batch(self.decode(posterior.sample()), batch)
        power = self.noise.at(batch.disk, batch.group)
        terms["likelihood"] = (
            whitened_likelihood(predicted, batch.image, power=power, disk=batch.disk).mean() / pixels
        )
        if self.latent_dim:
            divergence = posterior.divergence().mean().clamp_min(FREE_NATS)
            terms["divergence"] = self._beta(progress) * divergence / pixels
        return terms

    def review(self, stage: Stage, survey: Survey) -> list[str]:
        """Nothing is settled between stages."""
        return []

    def _beta(self, progress: float) -> float:
        settings = self.settings
        end = 1 / settings.latent_dim if settings.beta is None else settings.beta
        peak = settings.beta_peak
        if peak is None:
            peak = max(BETA_PEAK, end) if settings.encoder == "object" else end
        done = min(1.0, progress / settings.beta_warm_up) if settings.beta_warm_up else 1.0
        return 2 * done * peak if done < 0.5 else end + 2 * (1 - done) * (peak - end)

    def _make_encoder(self, problem: Problem) -> nn.Module:
        settings = self.settings
        if settings.latent_dim == 0:
            return NoLatent()
        if settings.encoder == "none":
            return LatentTable(problem.particles, settings.latent_dim)
        if settings.encoder == "object":
            return ObjectFrameEncoder(
                problem, settings.latent_dim, width=settings.encoder_width, layers=settings.encoder_layers
            )
        seen = self.disk.limit(resolution=settings.encoder_resolution)
        return PixelEncoder(
            seen, settings.latent_dim, width=settings.encoder_width, layers=settings.encoder_layers
        )


class FieldDecoder(nn.Module):
    """Positional encoding and residual network, with the mean map that they add to."""

    def __init__(self, settings: FieldSettings, problem: Problem) -> None:
        super().__init__()
        self.box, self.pixel_size = problem.box, problem.pixel_size
        self.encoding = PositionalEncoding(
            settings.encoding, box=problem.box, sigma=settings.encoding_sigma, seed=settings.network_seed
        )
        self.network = ResidualMLP(
            self.encoding.features,
            2,
            width=settings.width,
            layers=settings.layers,
            condition=settings.latent_dim,
        )
        self.mean: Tensor | None
        self.register_buffer(
            "mean", problem.mean[None] if settings.from_mean and problem.mean is not None else None
        )
        self._grid: VoxelGrid | None = None
        self._grid_version = 0
        if self.mean is not None:
            nn.init.zeros_(self.network.last.weight)
            nn.init.zeros_(self.network.last.bias)

    def field(self, z: Float[Tensor, "v d"]) -> FourierField:
        """The field at latents z."""
        return FourierField(
            network=self,
            z=z,
            scale=float(self.box),
            pixel_size=self.pixel_size,
            mean=self._mean_grid(),
        )

    def forward(self, frequency: Float[Tensor, "v p 3"], z: Float[Tensor, "v d"]) -> Float[Tensor, "v p 2"]:
        """Real and imaginary part of what the field adds to the mean, at frequencies in 1/Å."""
        output: Tensor = self.network(self.encoding(frequency * self.pixel_size), z)
        return output

    def _mean_grid(self) -> VoxelGrid | None:
        """The mean map with its oversampled transform, made anew where the map is another."""
        if self.mean is None:
            return None
        version = self.mean._version
        if self._grid is None or self._grid.values is not self.mean or self._grid_version != version:
            self._grid, self._grid_version = VoxelGrid(self.mean, self.pixel_size), version
        return self._grid


def field_stages(settings: FieldSettings, *, nyquist: float) -> tuple[Stage, ...]:
    """The plan: resolution limits at 3, 1.6 and 1 times Nyquist over 40, 30 and 30 % of the epochs.

    Where the start of pose refinement falls inside a stage, that stage is cut in two.

    >>> [(s.epochs, s.resolution) for s in field_stages(FieldSettings(epochs=10), nyquist=5.0)]
    [(4, 15.0), (3, 8.0), (3, None)]
    """
    limits = [("coarse", 0.4, 3.0), ("middle", 0.7, 1.6), ("fine", 1.0, None)]
    plan = limits if settings.coarse_to_fine else limits[-1:]
    rates = {"network": settings.learning_rate}
    if settings.encoder == "none" and settings.latent_dim:
        rates["latents"] = settings.latent_learning_rate
    stages = []
    done = 0
    for name, until, factor in plan:
        end = min(round(until * settings.epochs), settings.epochs - (factor is not None))
        cuts = {done, end, min(max(settings.pose_start, done), end)} if settings.refine_poses else {done, end}
        edges = sorted(cuts)
        for start, stop in pairwise(edges):
            moving = settings.refine_poses and start >= settings.pose_start
            rate = {**rates, "poses": settings.pose_learning_rate} if moving else rates
            resolution = None if factor is None else factor * nyquist
            stages.append(Stage(f"{name} poses" if moving else name, stop - start, resolution, rate))
        done = end
    return tuple(stages)
