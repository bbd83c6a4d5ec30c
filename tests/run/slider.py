"""A method whose motion is known, and a finished run of it: two groups of Gaussians that slide apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from methods.untrained import Untrained
from run.conftest import HEADER
from run.finished_run import finish
from trimorph.core.gaussians import Gaussians
from trimorph.core.noise import NoiseModel
from trimorph.data.mrc import write_stack
from trimorph.data.open import ParticleInput
from trimorph.methods.base import Problem
from trimorph.methods.poses import PoseTable
from trimorph.run.provenance import provenance
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.training.latents import Latents
from trimorph.training.settings import TrainingSettings

BOX, PIXEL_SIZE, NOISE = 16, 4.0, 1.0
LEFT = torch.tensor([[-12.0, 0, 0], [-16, 4, 0], [-12, -4, 4]])
RIGHT = torch.tensor([[12.0, 0, 0], [16, -4, 0]])
STEP_LEFT, STEP_RIGHT = torch.tensor([0.0, 2.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
AMPLITUDE, WIDTH = 2500.0, 5.0


@dataclass(frozen=True)
class SliderSettings:
    """Settings of the slider."""

    components: int = 2
    """Latent components."""


class Slider(Untrained):
    """The left group moves by (0, 2, 0) Å times z1 + z2, the right one by (0, 0, 1) Å times z1 - z2.

    The amplitude of the last Gaussian, a right one, grows by a tenth times z1 - z2.
    """

    Settings: ClassVar[type[SliderSettings]] = SliderSettings

    def __init__(self, settings: SliderSettings, problem: Problem) -> None:
        super().__init__(settings, problem)
        self.poses = PoseTable(problem.particles, angle=np.pi / 2, distance=1.0)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return super().parameter_groups() | {"poses": list(self.poses.parameters())}

    def decode(self, z: Float[Tensor, "v d"]) -> Gaussians:
        together, apart = (z[:, 0] + z[:, 1]), (z[:, 0] - z[:, 1])
        left = LEFT.to(z) + together[:, None, None] * STEP_LEFT.to(z)
        right = RIGHT.to(z) + apart[:, None, None] * STEP_RIGHT.to(z)
        amplitude = torch.full((len(z), len(LEFT) + len(RIGHT)), AMPLITUDE).to(z) * self.scale.to(z)
        growth = torch.zeros_like(amplitude)
        growth[:, -1] = 0.1 * apart
        return Gaussians(
            torch.cat([left, right], 1), amplitude * (1 + growth), torch.full_like(amplitude, WIDTH)
        )


def slider_problem(count: int) -> Problem:
    """White noise of standard deviation 1."""
    noise = NoiseModel(torch.full((1, BOX // 2 + 1), BOX**2 * NOISE**2))
    return Problem(BOX, PIXEL_SIZE, count, 24.0, noise)


def write_slider_run(folder: Path, *, angles: list[tuple[float, float]], latents: Latents) -> Run:
    """A finished run on images of noise, taken at (rot, tilt) in degrees."""
    count = len(angles)
    images = np.random.default_rng(0).normal(size=(count, BOX, BOX)).astype(np.float32)
    write_stack(folder / "images.mrcs", images, PIXEL_SIZE)
    rows = [
        f"{i + 1:06d}@images.mrcs 1 {rot:g} {tilt:g} 0 0 0 12000 12000 0 0"
        for i, (rot, tilt) in enumerate(angles)
    ]
    star = folder / "particles.star"
    star.write_text(HEADER + "\n".join(rows) + "\n")
    recipe = Recipe(
        method="slider",
        data=ParticleInput(particles=star, diameter=48.0, window=False),
        settings=SliderSettings(latents.mean.shape[1]),
        training=TrainingSettings(batch_size=8),
    ).resolved()
    record = provenance([star], [folder / "images.mrcs"], seed=0)
    run = Run.create(folder / "run", recipe, provenance=record)
    problem = slider_problem(count)
    return finish(run, Slider(recipe.settings, problem), problem, latents)


def spread_latents(count: int, *, together: float, apart: float, seed: int = 0) -> Latents:
    """Latents whose z1 + z2 and z1 - z2 have these standard deviations, without uncertainty."""
    rng = np.random.default_rng(seed)
    both = rng.normal(size=(count, 2)) * [together, apart]
    mean = (np.stack([both.sum(1), both[:, 0] - both[:, 1]], axis=1) / 2).astype(np.float32)
    return Latents(np.arange(count), mean, np.zeros((count, 2, 2), np.float32))
