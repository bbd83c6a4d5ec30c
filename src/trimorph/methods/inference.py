"""Inference: from images to latents and poses, the half of a model that all methods share."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.noise import NoiseModel
from trimorph.core.volume import AbstractVolume
from trimorph.methods.base import Ingredient, Problem, Stage, Survey
from trimorph.methods.encoders import GivenLatents, LatentTable, NoLatent, PixelEncoder
from trimorph.methods.gradient_encoder import GradientEncoder
from trimorph.methods.latent_settings import IN_OBJECT_FRAME, Encoder, LatentSettings
from trimorph.methods.object_frame import ObjectFrameEncoder
from trimorph.methods.poses import PoseTable
from trimorph.methods.posterior import Posterior

FREE_NATS = 0.25
"""Divergence of a latent component, a mean over the batch, that costs nothing with encoders in the object's
frame until its weight has passed its peak: a component that the decoder does not use yet would else die.
Source: Kingma et al., NeurIPS 2016 (free bits)."""

INGREDIENTS: dict[Encoder, frozenset[Ingredient]] = {
    "object": frozenset({"mean", "modes"}),
    "gradient": frozenset({"mean"}),
    "given": frozenset({"latents"}),
}
"""What the encoders need of the problem; the others need nothing."""

BEGINNING = 0.2
"""Share of training in which latents that start on a chart stay there, while the decoder learns to follow
them, and in which the first component is alone with the encoder gradient."""

REFRESHED = 10
"""Modes, at least, that a decoder is asked for: of noisy images few linear modes are known, and a motion that
bends needs more."""


class Inference(nn.Module):
    """The encoder that the settings name, and a table of poses where they are refined.

    What the encoder says has the prior N(0, 1). Where the density of z = 0 is not in the middle of all, as a
    structure at one end of its motion, ``origin`` is its place among what is said: the latents are counted
    from there, so that z = 0 lies on the way that the particles take, and not beside it.
    """

    def __init__(self, settings: LatentSettings, problem: Problem) -> None:
        super().__init__()
        self.settings, self.radius = settings, problem.radius
        self.encoder = _make_encoder(settings, problem)
        self.register_buffer("origin", torch.zeros(settings.latent_dim))
        self.origin: Tensor
        register: Any = self.register_load_state_dict_pre_hook
        register(_origin_of_old)
        self.poses = (
            PoseTable(
                problem.particles,
                angle=settings.pose_angle_deg * torch.pi / 180,
                distance=settings.pose_distance,
            )
            if settings.refine_poses
            else None
        )

    @staticmethod
    def wants(settings: LatentSettings) -> frozenset[Ingredient]:
        """What the encoder needs of the problem."""
        if settings.latent_dim == 0:
            return frozenset()
        return INGREDIENTS.get(settings.encoder, frozenset())

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Groups: network or latents (a table), and poses (a table)."""
        key = "latents" if isinstance(self.encoder, LatentTable) else "network"
        groups = {key: list(self.encoder.parameters())}
        if self.poses is not None:
            groups["poses"] = list(self.poses.parameters())
        return groups

    def stages(
        self,
        *,
        diameter: float,
        pixel_size: float,
        finest: float | None = None,
        own: Mapping[str, float],
        groups: Container[str],
    ) -> tuple[Stage, ...]:
        """The settings' plan to ``finest`` (Nyquist by default), with learning rates of the method's ``own``.

        Rates are kept of the ``groups`` that there are. Latents that may start on a chart are seen as well as
        it from the first stage on. Lengths are in Å.
        """
        nyquist = 2 * pixel_size
        seen = None
        if self.settings.unfold and isinstance(self.encoder, ObjectFrameEncoder):
            seen = self.encoder.resolution
        last = finest if finest is not None and finest > nyquist else None
        plan = self.settings.stages(diameter=diameter, nyquist=finest or nyquist, seen=seen)
        return tuple(
            replace(
                stage,
                resolution=stage.resolution or last,
                learning_rate={
                    name: rate for name, rate in {**stage.learning_rate, **own}.items() if name in groups
                },
            )
            for stage in plan
        )

    def begin(self, neutral: AbstractVolume | None = None) -> Iterator[str]:
        """Bring the encoder to where it starts, if it knows of one; lines for the user.

        ``neutral`` is the density of z = 0, where it need not be the mean of what the images show.
        """
        if not self.settings.unfold or not isinstance(self.encoder, ObjectFrameEncoder):
            return
        yield from self.encoder.begin()
        if neutral is not None and self.encoder.started:
            self.origin.copy_(self.encoder.place_of(neutral))
            place = ", ".join(f"{value:.2f}" for value in self.origin.tolist())
            yield f"latents: counted from where the start lies among them, at {place} standard deviations"

    def review(self, stage: Stage, survey: Survey, decode: Callable[[Tensor], AbstractVolume]) -> list[str]:
        """Refresh the modes that the encoder sees, if the settings say so."""
        encoder = self.encoder
        if not self.settings.refresh_modes or not isinstance(encoder, ObjectFrameEncoder):
            return []

        def batches() -> Iterator[Batch]:
            return (self.posed(batch, stage)[0] for batch in survey.batches(encoder.resolution))

        if encoder.refresh(batches, lambda said: decode(said - self.origin), survey.total):
            return ["the encoder sees the modes that the decoder has learned"]
        return ["what is decoded does not differ, so the encoder keeps its modes"]

    def posed(self, batch: Batch, stage: Stage) -> tuple[Batch, dict[str, Tensor]]:
        """The batch at its refined poses where the stage moves them, and the term of their prior."""
        if self.poses is None or "poses" not in stage.learning_rate:
            return batch, {}
        batch, penalty = self.poses(batch)
        return batch, {"pose_prior": penalty.mean() / float(batch.disk.weight.sum())}

    def forward(self, batch: Batch, noise: NoiseModel) -> Posterior:
        """Posterior of each image's latent."""
        said: Posterior = self.encoder(batch, noise)
        return said.moved(-self.origin)

    def opened(self, posterior: Posterior, progress: float) -> Posterior:
        """What the decoder is shown: at the beginning the latents as they start, or one component alone.

        An arc in two components is as likely as a line in one, and once it is there it stays: the
        likelihood does not tell them apart. So a motion is first laid along one, or along the chart.
        """
        if self.held(progress):
            return posterior.detach()
        if not self.settings.unfold or progress >= BEGINNING:
            return posterior
        return posterior.leading(1) if isinstance(self.encoder, GradientEncoder) else posterior

    def held(self, progress: float) -> bool:
        """Whether latents stay on the chart that they started from."""
        on_chart = isinstance(self.encoder, ObjectFrameEncoder) and bool(self.encoder.started)
        return self.settings.unfold and on_chart and progress < BEGINNING

    def coarse(self, batch: Batch, progress: float) -> Batch:
        """What a decoder that starts far from some images is compared to while the latents are held.

        The limit falls from the particle's radius to that of the batch, so that parts find their way to where
        their density is: it is seen from about as far as a wave is long. Coarse images are no harm to latents
        that do not move.
        """
        if not self.held(progress):
            return batch
        finest = batch.disk.box * batch.disk.pixel_size / float(batch.disk.radius[-1])
        limit = self.radius * (finest / self.radius) ** (progress / BEGINNING)
        return batch.limit(batch.disk.limit(resolution=max(limit, finest)))

    def prior(self, posterior: Posterior, disk: FourierDisk, progress: float) -> dict[str, Tensor]:
        """The weighted divergence of the latents to their prior, a pixel of the plane; none of given ones."""
        if not self.settings.latent_dim or isinstance(self.encoder, GivenLatents):
            return {}
        parts = posterior.moved(self.origin).divergence().mean(0)
        if self.settings.encoder in IN_OBJECT_FRAME and progress < self.settings.beta_warm_up:
            parts = parts.clamp_min(FREE_NATS)
        divergence = parts.sum()
        return {"divergence": self.settings.beta_at(progress) * divergence / float(disk.weight.sum())}


def _origin_of_old(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """What checkpoints lack from before latents could be counted from elsewhere."""
    state.setdefault(f"{prefix}origin", torch.zeros_like(module.get_buffer("origin")))


def _make_encoder(settings: LatentSettings, problem: Problem) -> nn.Module:
    latents, size = settings.latent_dim, {"width": settings.encoder_width, "layers": settings.encoder_layers}
    if latents == 0:
        return NoLatent()
    if settings.encoder == "none":
        return LatentTable(problem.particles, latents)
    if settings.encoder == "given":
        return GivenLatents(_given(problem, latents))
    if settings.encoder == "object":
        most = REFRESHED if settings.refresh_modes else 0
        return ObjectFrameEncoder(problem, latents, most=most, **size)
    if settings.encoder == "gradient":
        return GradientEncoder(problem, latents, resolution=settings.encoder_resolution, **size)
    seen = FourierDisk(problem.box, problem.pixel_size).limit(resolution=settings.encoder_resolution)
    return PixelEncoder(seen, latents, **size)


def _given(problem: Problem, latent_dim: int) -> Tensor:
    """The problem's latents; InputError where there are none, or other ones than the settings ask for."""
    if problem.latents is None:
        raise InputError(
            "Encoder given: found a problem without latents; wanted those of all particles. Pass "
            "--latents-from with a run, or a file of latents."
        )
    if problem.latents.shape != (problem.particles, latent_dim):
        count, found = problem.latents.shape
        raise InputError(
            f"Encoder given: found {count} latents of {found} components; wanted {problem.particles} of "
            f"{latent_dim}. Pass --latent-dim {found}, and the latents of the particles in use."
        )
    return problem.latents
