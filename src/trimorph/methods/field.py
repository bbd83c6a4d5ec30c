"""Method `field`: a neural field in Fourier space, as in cryoDRGN.

V(k, z) = mean(k) + network(encoding(k), z); images are its central slices times the CTF, and an encoder gives
q(z | image). Training maximises the evidence lower bound of the images under Gaussian noise.

Source: Zhong, Bepler, Berger & Davis, Nature Methods 18 (2021) 176.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.checks import check_choice, check_range
from trimorph.core.disk import FourierDisk
from trimorph.core.fourier_field import FourierField
from trimorph.core.imaging import render_batch
from trimorph.core.losses import whitened_likelihood
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.methods.base import Ingredient, Method, Problem, Stage, Survey
from trimorph.methods.inference import Inference
from trimorph.methods.latent_settings import LatentSettings
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.positional import Encoding, PositionalEncoding
from trimorph.methods.posterior import Posterior

GAIN_RATE = 0.01
"""Learning rate of the shells' gains: they reach one in a hundred steps or more."""


@dataclass(frozen=True)
class FieldSettings(LatentSettings):
    """Settings of the method `field`."""

    width: int = 256
    """Units in a hidden layer of the decoder (the paper: 128 to 1024)."""
    layers: int = 3
    """Residual layers of the decoder (the paper: 3 to 10)."""
    encoding: Encoding = "gaussian"
    """Positional encoding of frequencies."""
    encoding_sigma: float = 1.5
    """Spread of the gaussian encoding: it resolves distances up to about 0.08 sigma boxes from the centre, so
    1.5 suits a particle that fills half the box (cryoDRGN: 0.5)."""
    from_mean: bool = True
    """Start from the back-projected map and learn what differs from it."""
    network_seed: int = 0
    """Seed of the random encoding vectors."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "layers"):
            check_range(name, getattr(self, name), least=1)
        check_range("encoding_sigma", self.encoding_sigma, above=0)
        check_choice("encoding", self.encoding, get_args(Encoding))


class Field(Method):
    """The neural field; see the module's docstring."""

    Settings: ClassVar[type[FieldSettings]] = FieldSettings

    def __init__(self, settings: FieldSettings, problem: Problem) -> None:
        super().__init__(problem)
        self.settings, self.diameter = settings, 2 * problem.radius
        self.inference = Inference(settings, problem)
        first = self._stages(groups=())[0]
        self.decoder = FieldDecoder(settings, problem, first=self.disk.limit(resolution=first.resolution))

    @classmethod
    def wants(cls, settings: FieldSettings) -> frozenset[Ingredient]:
        """The mean map, where training starts from it, and what the encoder needs."""
        own: frozenset[Ingredient] = frozenset({"mean"} if settings.from_mean else ())
        return own | Inference.wants(settings)

    @classmethod
    def refuse(cls, settings: FieldSettings, problem: Problem) -> None:
        """Any problem will do."""

    @property
    def latent_dim(self) -> int:
        """Number of latent components."""
        return self.settings.latent_dim

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Four resolution limits if coarse to fine, cut once more where the poses begin to move."""
        return self._stages(groups=self.parameter_groups())

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Groups: network, gain (of the shells), latents (a table), poses (a table)."""
        groups = self.inference.parameter_groups()
        network = [*self.decoder.network.parameters(), *groups.get("network", [])]
        gain = self.decoder.gain
        return groups | {"network": network} | ({} if gain is None else {"gain": [gain]})

    def encode(self, batch: Batch) -> Posterior:
        """Posterior of each image's latent."""
        posterior: Posterior = self.inference(batch, self.noise)
        return posterior

    def decode(self, z: Float[Tensor, "v d"]) -> FourierField:
        """The field at latents z."""
        return self.decoder.field(z)

    def forward(self, batch: Batch, stage: Stage, progress: float) -> dict[str, Tensor]:
        """Negative log-likelihood and divergences, a pixel of the plane each."""
        batch, terms = self.inference.posed(batch, stage)
        posterior = self.inference.opened(self.encode(batch), progress)
        predicted = render_batch(self.decode(posterior.sample()), batch)
        power = self.noise.at(batch.disk, batch.group)
        likelihood = whitened_likelihood(predicted, batch.image, power=power, disk=batch.disk).mean()
        terms["likelihood"] = likelihood / float(batch.disk.weight.sum())
        return terms | self.inference.prior(posterior, batch.disk, progress)

    def begin(self) -> Iterator[str]:
        """Where the latents start."""
        return self.inference.begin()

    def review(self, stage: Stage, survey: Survey) -> list[str]:
        """What the encoder sees of it from here on."""
        return [] if stage == self.stages[-1] else self.inference.review(stage, survey, self.decode)

    def _stages(self, groups: Container[str]) -> tuple[Stage, ...]:
        return self.inference.stages(
            diameter=self.diameter, pixel_size=self.disk.pixel_size, own={"gain": GAIN_RATE}, groups=groups
        )


class FieldDecoder(nn.Module):
    """Positional encoding and residual network, with the mean map that they add to.

    ``first`` holds the frequencies that are learned first.
    """

    def __init__(self, settings: FieldSettings, problem: Problem, *, first: FourierDisk) -> None:
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
        self.gain: nn.Parameter | None = None
        if self.mean is not None:
            nn.init.zeros_(self.network.last.weight)
            nn.init.zeros_(self.network.last.bias)
            shell = torch.arange(problem.box // 2 + 2)
            self.gain = nn.Parameter((shell <= float(first.radius[-1])).float())

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
        """Real and imaginary part of what the field adds to the mean, at frequencies in 1/Å.

        What is added to a mean map is multiplied by a gain for each shell, which is zero at the start beyond
        the frequencies that are learned first: where a network has not been trained, it says something too,
        and where images tell little, little should be added.
        """
        output: Tensor = self.network(self.encoding(frequency * self.pixel_size), z)
        if self.gain is None:
            return output
        radius = frequency.norm(dim=-1) * (self.box * self.pixel_size)
        shell = radius.floor().clamp(max=len(self.gain) - 2)
        inner, outer = self.gain[shell.long()], self.gain[shell.long() + 1]
        return output * torch.lerp(inner, outer, (radius - shell).clamp(max=1.0))[..., None]

    def _mean_grid(self) -> VoxelGrid | None:
        """The mean map with its oversampled transform, made anew where the map is another."""
        if self.mean is None:
            return None
        version = self.mean._version
        if self._grid is None or self._grid.values is not self.mean or self._grid_version != version:
            self._grid, self._grid_version = VoxelGrid(self.mean, self.pixel_size), version
        return self._grid
