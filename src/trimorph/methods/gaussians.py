"""Method `gaussians`: a mixture of Gaussians that moves, as in e2gmm.

V(z) is a neutral model, Gaussians fitted to the mean map, whose positions, amplitudes and widths a network
changes with the latent z; z = 0 is the neutral model itself. Images are projections of V(z) times the CTF,
and an encoder gives q(z | image).

Source: Chen & Ludtke, Nature Methods 18 (2021) 930.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.checks import check_choice, check_range
from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.core.imaging import render_batch
from trimorph.core.losses import ring_score, whitened_likelihood
from trimorph.methods.base import Ingredient, Method, Problem, Stage, Survey
from trimorph.methods.cloud_decoder import CloudChange, CloudDecoder, Decoding
from trimorph.methods.cloud_priors import NEIGHBOURS, neighbour_pairs, spread, stretching
from trimorph.methods.cloud_problem import cloud_room, free_gaussians, neutral_clouds, refuse_cloud
from trimorph.methods.cloud_seeds import unexplained
from trimorph.methods.inference import Inference
from trimorph.methods.latent_settings import LatentSettings
from trimorph.methods.neutral_cloud import NeutralCloud
from trimorph.methods.posterior import Posterior

Score = Literal["likelihood", "ring"]


@dataclass(frozen=True)
class GaussiansSettings(LatentSettings):
    """Settings of the method `gaussians`."""

    resolution: float | None = None
    """Finest resolution in Å that Gaussians model and images are compared to; Nyquist by default."""
    count: int | None = None
    """Number of Gaussians; by default as many as the map needs for that resolution."""
    spare: float = 0.25
    """Most Gaussians, as a share of those that the map supports, for density that moves so far that the mean
    map has lost it. They stand where the linear modes vary (encoder object)."""
    score: Score = "likelihood"
    """How images are compared: likelihood, under Gaussian noise of the measured power; ring, the Fourier ring
    correlation as in the paper, from ring 1 to the limit, each ring alike, with the CTF in the model. A ring
    correlation knows neither the density's scale nor its sharpness, so those of the neutral model stay; it
    is weighed so that an image says as much as under a likelihood, and beta means the same with both."""
    decoder: Decoding = "anchors"
    """What moves: anchors, whose motion spreads to the Gaussians around them; coordinates, anchors moved by
    one network of place and latent; every, each Gaussian on its own, as in the paper."""
    anchors: int = 64
    """Number of anchors."""
    width: int = 256
    """Units in a hidden layer of the decoder."""
    layers: int = 2
    """Residual layers of the decoder."""
    move_position: bool = True
    """Let positions depend on the latent."""
    move_amplitude: bool = True
    """Let amplitudes depend on the latent."""
    move_width: bool = False
    """Let widths depend on the latent."""
    nonnegative: bool = False
    """Keep amplitudes from becoming negative."""
    rigidity: float = 1.0
    """Weight of the cost of changed distances between neighbours; it adapts to the size of the motion, and
    counts once for all images, so that many or telling ones outweigh it."""
    spread: float = 1.0
    """Weight of the cost of unequal amplitudes and widths in the neutral model."""
    neutral_learning_rate: float = 5e-3
    """Learning rate of the neutral model, in units of the spacing, the mean amplitude and the width."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("count", "anchors", "width", "layers"):
            check_range(name, getattr(self, name), least=1)
        for name in ("rigidity", "spread", "spare"):
            check_range(name, getattr(self, name), least=0)
        check_range("resolution", self.resolution, above=0)
        check_range("neutral_learning_rate", self.neutral_learning_rate, above=0)
        check_choice("decoder", self.decoder, get_args(Decoding))
        check_choice("score", self.score, get_args(Score))
        if self.latent_dim and not (self.move_position or self.move_amplitude or self.move_width):
            raise InputError(
                "Found nothing that may move: --no-move-position --no-move-amplitude without --move-width; "
                "wanted one of them. Leave one flag out, or pass --latent-dim 0 for a rigid model."
            )


class GaussianMixture(Method):
    """The moving Gaussians; see the module's docstring.

    Room is made for as many Gaussians as the map supports, or as the settings say.
    """

    Settings: ClassVar[type[GaussiansSettings]] = GaussiansSettings

    def __init__(self, settings: GaussiansSettings, problem: Problem) -> None:
        super().__init__(problem)
        self.settings, self.diameter = settings, 2 * problem.radius
        self.particles, self.pixel_size = problem.particles, problem.pixel_size
        self.mean, self.mask, self.modes = problem.mean, problem.mask, problem.modes
        self.points, self.movable = problem.points, problem.movable
        self.finest = settings.resolution or 2 * problem.pixel_size
        self.most = cloud_room(problem, resolution=self.finest, count=settings.count)
        named = settings.count is not None or self.points is not None
        room = self.most if named else self.most + int(settings.spare * self.most)
        self.neutral = NeutralCloud(room, spacing=self.finest / 2)
        self.inference = Inference(settings, problem)
        self.decoder = (
            CloudDecoder(
                settings.decoder,
                settings.latent_dim,
                gaussians=room,
                anchors=min(settings.anchors, room),
                width=settings.width,
                layers=settings.layers,
                radius=problem.radius,
            )
            if settings.latent_dim
            else None
        )
        self.register_buffer("free", torch.ones(room))
        self.free: Tensor
        self.register_buffer("pairs", torch.zeros(room * NEIGHBOURS, 2, dtype=torch.long))
        self.pairs: Tensor

    @classmethod
    def wants(cls, settings: GaussiansSettings) -> frozenset[Ingredient]:
        """The mean map, a structure, the focus, and what the encoder needs."""
        own: frozenset[Ingredient] = frozenset({"mean", "mask", "points", "movable"})
        return own | Inference.wants(settings)

    @classmethod
    def refuse(cls, settings: GaussiansSettings, problem: Problem) -> None:
        """What the map cannot resolve or support, and a focus on nothing: see :func:`refuse_cloud`."""
        finest = settings.resolution or 2 * problem.pixel_size
        refuse_cloud(problem, resolution=finest, count=settings.count)

    @property
    def latent_dim(self) -> int:
        """Number of latent components."""
        return self.settings.latent_dim

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Those of all methods with latents, up to the resolution of the Gaussians."""
        return self.inference.stages(
            diameter=self.diameter,
            pixel_size=self.pixel_size,
            finest=self.finest,
            own={"neutral": self.settings.neutral_learning_rate},
            groups=self.parameter_groups(),
        )

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Groups: network, neutral (the neutral model), latents (a table), poses (a table)."""
        groups = self.inference.parameter_groups() | {"neutral": list(self.neutral.parameters())}
        if self.decoder is None:
            return {name: group for name, group in groups.items() if group}
        return groups | {"network": [*self.decoder.parameters(), *groups.get("network", [])]}

    def encode(self, batch: Batch) -> Posterior:
        """Posterior of each image's latent."""
        posterior: Posterior = self.inference(batch, self.noise)
        return posterior

    def decode(self, z: Float[Tensor, "v d"]) -> Gaussians:
        """The Gaussians at latents z."""
        neutral, settings = self.neutral(), self.settings
        if self.decoder is None:
            change = CloudChange.none(len(z), neutral.position[0])
        else:
            change = self.decoder(z, neutral.position[0])
        free = self.free[: neutral.amplitude.shape[1]]
        strengthened = settings.move_amplitude * free * self.neutral.strength * change.amplitude
        amplitude = neutral.amplitude + strengthened
        return Gaussians(
            neutral.position + settings.move_position * free[:, None] * change.displacement,
            amplitude.clamp_min(0) if settings.nonnegative else amplitude,
            neutral.width * torch.exp(settings.move_width * free * change.log_width),
        )

    def begin(self) -> Iterator[str]:
        """Fit the neutral model to the mean map, see what of it may move, and where the latents start."""
        settings, device = self.settings, self.disk.device
        assert self.mean is not None  # as there is room
        for line, cloud in neutral_clouds(
            self.mean.to(device),
            None if self.points is None else self.points.to(device),
            pixel_size=self.pixel_size,
            resolution=self.finest,
            count=settings.count,
            nonnegative=settings.nonnegative,
        ):
            yield f"neutral model: {line}"
            self.neutral.adopt(cloud)
        added = self._add_spare()
        if added:
            yield f"neutral model: {added} more where density moves that the mean map has lost"
        self._settle()
        if self.decoder is not None:
            place = self.neutral().position[0].detach()
            self.decoder.settle(place[self.free[: len(place)] > 0.5])
        yield from self.inference.begin()

    def forward(self, batch: Batch, stage: Stage, progress: float) -> dict[str, Tensor]:
        """How the images differ, divergence and priors of the motion, a pixel of the plane each."""
        batch, terms = self.inference.posed(batch, stage)
        posterior = self.inference.opened(self.encode(batch), progress)
        cloud = self.decode(posterior.sample())
        predicted = render_batch(cloud, batch)
        compared = ring_score if self.settings.score == "ring" else whitened_likelihood
        power = self.noise.at(batch.disk, batch.group)
        score = compared(predicted, batch.image, power=power, disk=batch.disk)
        terms[self.settings.score] = score.mean() / float(batch.disk.weight.sum())
        return terms | self._priors(cloud, batch) | self.inference.prior(posterior, batch.disk, progress)

    def review(self, stage: Stage, survey: Survey) -> list[str]:
        """What the encoder sees of it from here on."""
        return [] if stage == self.stages[-1] else self.inference.review(stage, survey, self.decode)

    def _priors(self, cloud: Gaussians, batch: Batch) -> dict[str, Tensor]:
        """Costs of stretching and of a motley neutral model, once for all images, as all share one model."""
        settings, neutral = self.settings, self.neutral()
        share = 1 / (self.particles * float(batch.disk.weight.sum()))
        terms = {}
        if settings.rigidity and self.decoder is not None and settings.move_position:
            stretched = stretching(cloud.position, neutral.position[0], self.pairs).mean()
            terms["stretching"] = share * settings.rigidity * 0.5 * self.decoder.freedom * stretched
        if settings.spread:
            terms["spread"] = share * settings.spread * spread(neutral)[0]
        return terms

    def _settle(self) -> None:
        """See which Gaussians of the neutral model are neighbours, and which may move."""
        place = self.neutral().position[0].detach()
        pairs = neighbour_pairs(place)
        self.pairs.zero_()  # what is not used are pairs of a Gaussian with itself, which never stretch
        self.pairs[: len(pairs)] = pairs
        self.free[: len(place)] = free_gaussians(
            place, mask=self.mask, movable=self.movable, pixel_size=self.pixel_size
        )

    def _add_spare(self) -> int:
        """Gaussians of no amplitude where the modes say that something passes; how many."""
        room = len(self.neutral.position) - int(self.neutral.alive)
        most = min(room, int(self.settings.spare * self.most))
        if self.modes is None or most == 0:
            return 0
        neutral, side = self.neutral(), self.disk.box * self.pixel_size
        modes = self.modes.to(neutral.position)
        seeds = unexplained(modes, side / modes.shape[-1], neutral, resolution=2 * self.finest, most=most)
        with torch.no_grad():
            self.neutral.adopt(
                Gaussians(
                    torch.cat([neutral.position, seeds.position], 1),
                    torch.cat([neutral.amplitude, seeds.amplitude], 1),
                    torch.cat([neutral.width, seeds.width], 1),
                )
            )
        return seeds.amplitude.shape[1]
