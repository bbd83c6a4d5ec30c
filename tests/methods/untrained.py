"""The frame of methods whose motion is known: nothing is learned, any problem will do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.methods.base import Ingredient, Method, Problem, Stage, Survey
from trimorph.methods.posterior import Posterior


class Untrained(Method):
    """One parameter, ``scale`` = 1, that no loss depends on; latents of images are zero."""

    def __init__(self, settings: Any, problem: Problem) -> None:
        super().__init__(problem)
        self.settings = settings
        self.scale = nn.Parameter(torch.ones(()))

    @classmethod
    def wants(cls, settings: Any) -> frozenset[Ingredient]:
        return frozenset()

    @classmethod
    def refuse(cls, settings: Any, problem: Problem) -> None:
        """Any problem will do."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (Stage("only", 1, None, {"scale": 1e-3}),)

    @property
    def latent_dim(self) -> int:
        return int(self.settings.components)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"scale": [self.scale]}

    def encode(self, batch: Batch) -> Posterior:
        return Posterior.point(torch.zeros(len(batch), self.latent_dim))

    def forward(self, batch: Batch, stage: Stage, progress: float) -> dict[str, Tensor]:
        return {"none": 0.0 * self.scale}

    def begin(self) -> Iterator[str]:
        return iter(())

    def review(self, stage: Stage, survey: Survey) -> list[str]:
        return []
