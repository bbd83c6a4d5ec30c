"""A toy method and toy images, small enough to train in a second: density = mean + z * mode."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.losses import whitened_likelihood
from trimorph.core.noise import NoiseModel
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.methods.base import Ingredient, Method, Problem, Stage, Survey
from trimorph.methods.particle_rows import ParticleRows
from trimorph.methods.posterior import Posterior


@dataclass(frozen=True)
class ToySettings:
    """Settings of the toy."""

    epochs: int = 4
    """Passes through the images."""
    learning_rate: float = 0.02
    """Learning rate of the densities."""
    latents: Literal["network", "table"] = "network"
    """Where latents come from."""
    resolution: float | None = 12.0
    """Resolution limit of the first half in Å."""


class Toy(Method):
    """Two densities on a grid; z from one linear layer or from a table."""

    Settings: ClassVar[type[ToySettings]] = ToySettings

    def __init__(self, settings: ToySettings, problem: Problem) -> None:
        super().__init__(problem)
        self.settings = settings
        d = problem.box
        self.pixel_size = problem.pixel_size
        self.mean = nn.Parameter(torch.zeros(1, d, d, d))
        self.mode = nn.Parameter(0.01 * torch.randn(1, d, d, d))
        self.network = nn.Linear(2 * len(self.disk), 2)
        self.rows = ParticleRows(problem.particles, 1)

    @classmethod
    def wants(cls, settings: ToySettings) -> frozenset[Ingredient]:
        return frozenset()

    @classmethod
    def refuse(cls, settings: ToySettings, problem: Problem) -> None:
        """Any problem will do."""

    def begin(self) -> Iterator[str]:
        return iter(())

    def review(self, stage: Stage, survey: Survey) -> list[str]:
        return []

    @property
    def latent_dim(self) -> int:
        return 1

    @property
    def stages(self) -> tuple[Stage, ...]:
        s = self.settings
        first = {"density": s.learning_rate}
        second = first | {"network": 1e-3} if s.latents == "network" else first | {"rows": 0.05}
        return (
            Stage("first", s.epochs // 2, s.resolution, first),
            Stage("second", s.epochs - s.epochs // 2, None, second),
        )

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "density": [self.mean, self.mode],
            "network": list(self.network.parameters()),
            "rows": [self.rows.weight],
        }

    def encode(self, batch: Batch) -> Posterior:
        if self.settings.latents == "table":
            return Posterior.point(self.rows(batch.index))
        pixels = torch.view_as_real(batch.image).flatten(1)
        pixels = nn.functional.pad(pixels, (0, 2 * len(self.disk) - pixels.shape[1]))
        mean, log_variance = self.network(pixels / self.disk.box).float().chunk(2, dim=-1)
        return Posterior.diagonal(mean, log_variance)

    def decode(self, z: Float[Tensor, "v d"]) -> VoxelGrid:
        return VoxelGrid(self.mean + z[:, :, None, None] * self.mode, self.pixel_size)

    def forward(self, batch: Batch, stage: Stage, progress: float) -> dict[str, Tensor]:
        posterior = self.encode(batch)
        z = posterior.sample()
        density = torch.cat([self.mean, self.mode])
        common, moving = batch.disk.transform(density.sum(1))  # every pose is the identity
        predicted = (common + z * moving) * batch.ctf(batch.disk)
        power = self.noise.at(batch.disk, batch.group)
        loss = whitened_likelihood(predicted, batch.image, power=power, disk=batch.disk)
        terms = {"likelihood": loss.mean() / float(batch.disk.weight.sum())}
        if self.settings.latents == "network":
            terms["divergence"] = 1e-3 * posterior.divergence().sum(1).mean()
        return terms


@dataclass
class ToyImages:
    """Simulated images of ``truth[0] + z truth[1]`` held in memory; a stack without files."""

    count: int = 60
    box: int = 10
    pixel_size: float = 4.0
    noise_level: float = 0.3
    seed: int = 7

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        self.disk = FourierDisk(self.box, self.pixel_size)
        self.truth = torch.stack([_blob(self.box, (0, 0, 0)), _blob(self.box, (2, 1, 0))])
        self.z = torch.randn(self.count, 1, generator=generator)
        self.rotation = torch.eye(3).expand(self.count, 3, 3)
        defocus = 8000 + 8000 * torch.rand(self.count, generator=generator)
        self.ctf = CTF(defocus_u=defocus, defocus_v=defocus).to("cpu")
        common, moving = self.disk.transform(self.truth.sum(1))
        clean = (common + self.z * moving) * self.ctf(self.disk)
        noise = torch.randn(self.count, self.box, self.box, generator=generator) * self.noise_level
        self.image = clean + self.disk.transform(noise)

    def __len__(self) -> int:
        return self.count

    @property
    def noise(self) -> NoiseModel:
        return NoiseModel(torch.full((1, self.box // 2 + 1), self.box**2 * self.noise_level**2))

    def problem(self) -> Problem:
        return Problem(self.box, self.pixel_size, self.count, 16.0, self.noise)

    def batches(self, order: Any, batch_size: int, *, limit: FourierDisk | None = None) -> Generator[Batch]:
        for start in range(0, len(order), batch_size):
            index = torch.as_tensor(order[start : start + batch_size])
            batch = Batch(
                index=index,
                image=self.image[index],
                rotation=self.rotation[index],
                shift=torch.zeros(len(index), 2),
                ctf=self.ctf[index],
                group=torch.zeros(len(index), dtype=torch.long),
                disk=self.disk,
            )
            yield batch if limit is None else batch.limit(limit)


def _blob(box: int, centre: tuple[int, int, int]) -> Tensor:
    axis = torch.arange(box) - box // 2
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    distance = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
    return 0.3 * torch.exp(-distance / 3.0)
