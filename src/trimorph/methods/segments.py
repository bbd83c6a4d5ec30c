"""Method `segments`: an atomic structure whose rigid segments move, as in cryoSPHERE.

V(z) has a Gaussian at each residue of a structure. A mixture over the residues' numbers in their chain says
which segment each belongs to, and a network turns and shifts every segment with the latent z; z = 0 is the
structure itself. Images are projections of V(z) times the CTF, and an encoder gives q(z | image).

Source: Ducrocq et al., cryoSPHERE (ICLR 2025).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.gaussians import Gaussians
from trimorph.core.imaging import render_batch
from trimorph.core.losses import correlation_score, whitened_likelihood
from trimorph.methods.base import Ingredient, Problem, Stage, Survey
from trimorph.methods.cloud_atoms import cloud_of_atoms
from trimorph.methods.inference import Inference
from trimorph.methods.posterior import Posterior
from trimorph.methods.segment_boundaries import with_spreads
from trimorph.methods.segment_decoders import motion_of, residual_of
from trimorph.methods.segment_motion import SegmentMotion
from trimorph.methods.segment_parting import part_segments
from trimorph.methods.segment_polish import Polish
from trimorph.methods.segment_priors import MotionPriors
from trimorph.methods.segment_problem import moving_residues, refuse_segments, structure_of
from trimorph.methods.segment_question import Further
from trimorph.methods.segment_report import living, review_segments
from trimorph.methods.segment_settings import SegmentsSettings
from trimorph.methods.structure_method import ResidueMotion, RigidMotion, Segment, StructureMethod


class Segments(StructureMethod):
    """The moving structure; see the module's docstring."""

    Settings: ClassVar[type[SegmentsSettings]] = SegmentsSettings

    def __init__(self, settings: SegmentsSettings, problem: Problem) -> None:
        super().__init__(problem)
        points, _ = structure_of(problem)
        self.settings, self.diameter = settings, 2 * problem.radius
        self.particles, self.pixel_size, self.mean = problem.particles, problem.pixel_size, problem.mean
        self.finest = settings.resolution or 2 * problem.pixel_size
        self.register_buffer("position", points[:, :3].clone(), persistent=False)
        self.position: Tensor
        beads = points if problem.beads is None else problem.beads
        self.register_buffer("beads", beads[:, :3].clone(), persistent=False)
        self.beads: Tensor
        self.register_buffer("bead_point", problem.bead_point, persistent=False)
        self.bead_point: Tensor | None  # residues in their order by default
        self.register_buffer("amplitude", beads[:, 3].clone())  # both are set when training begins
        self.amplitude: Tensor
        self.register_buffer("blob_width", torch.tensor(self.finest))
        self.blob_width: Tensor
        names = ("scale", "width") if settings.score == "likelihood" else ("width",)
        self.neutral = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in names})
        self.inference = Inference(settings, problem)
        self.priors = MotionPriors(settings, problem)
        self.register_buffer("free", moving_residues(problem), persistent=False)
        self.free: Tensor
        self.motion = motion_of(settings, problem) if settings.latent_dim else None
        self.residual = residual_of(settings, problem) if settings.latent_dim else None
        self.polish = Polish(settings.latent_dim) if settings.polish else None

    @classmethod
    def wants(cls, settings: SegmentsSettings) -> frozenset[Ingredient]:
        """The mean map, a structure with its chains, what of it may move, and what the encoder needs."""
        own: tuple[Ingredient, ...] = ("mean", "points", "chain", "part", "part_segments", "movable", "trace")
        beads: tuple[Ingredient, ...] = ("beads", "bead_point")
        return frozenset(own + beads) | Inference.wants(settings)

    @classmethod
    def refuse(cls, settings: SegmentsSettings, problem: Problem) -> None:
        """What :func:`refuse_segments` says."""
        refuse_segments(settings, problem)

    @property
    def rigid(self) -> SegmentMotion | None:
        """What moves segments, where that is what moves."""
        return self.motion if isinstance(self.motion, SegmentMotion) else None

    @property
    def latent_dim(self) -> int:
        """Number of latent components."""
        return self.settings.latent_dim

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Those of all methods with latents, up to the resolution of the comparison."""
        settings = self.settings
        return self.inference.stages(
            diameter=self.diameter,
            pixel_size=self.pixel_size,
            finest=self.finest,
            own={"neutral": settings.neutral_learning_rate, "segments": settings.segments_learning_rate},
            groups=self.parameter_groups(),
        )

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Groups: network, segments, neutral (scale and width), latents (a table), poses (a table)."""
        groups = self.inference.parameter_groups() | {"neutral": list(self.neutral.parameters())}
        for decoder in (self.motion, self.residual):
            if decoder is not None:
                groups["network"] = [*decoder.network.parameters(), *groups.get("network", [])]
        if self.rigid is not None:
            groups["segments"] = list(self.rigid.segmentation.parameters())
        return {name: group for name, group in groups.items() if group}

    def encode(self, batch: Batch) -> Posterior:
        """Posterior of each image's latent: the encoder's, and in the end the decoder's own."""
        posterior: Posterior = self.inference(batch, self.noise)
        if self.polish is None or self.training:
            return posterior
        batch, _ = self.inference.posed(batch, self.stages[-1])
        polished: Posterior = self.polish(posterior, batch, self.decode, self.noise)
        return polished

    def decode(self, z: Float[Tensor, "v d"]) -> Gaussians:
        """The residues, or their atoms, at latents z, moved by the most likely segments."""
        cloud = self._cloud(self.residue_motion(z))
        amplitude, width = (numbers.expand(len(z), -1) for numbers in (cloud.amplitude, cloud.width))
        return Gaussians(cloud.position, amplitude, width)

    def residue_motion(self, z: Float[Tensor, "v d"]) -> ResidueMotion:
        """Where latents take every residue, moved by the most likely segments."""
        motion, _ = self._motion(z, sampled=False)
        return motion

    def segments(self) -> tuple[Segment, ...]:
        """The segments that hold residues, with the spreads of their ends."""
        if self.rigid is None:
            return ()
        with torch.no_grad():
            return with_spreads(living(self.rigid.segmentation), self.rigid.segmentation)

    def segment_motion(self, z: Float[Tensor, "v d"]) -> RigidMotion:
        """The rigid motion of each of :meth:`segments`."""
        if self.rigid is None:
            nothing = self.position.new_zeros(len(z), 0, 3)
            return RigidMotion(nothing, nothing, self.position[:0], nothing[..., 0])
        chosen = [segment.number for segment in living(self.rigid.segmentation)]
        found = self.rigid.rigid_motion(z, self.position)
        return RigidMotion(
            found.turn[:, chosen], found.shift[:, chosen], found.centre[chosen], found.occupancy[:, chosen]
        )

    def shares(self) -> Float[Tensor, "g s"]:
        """How much each residue belongs to each of :meth:`segments`."""
        if self.rigid is None:
            return self.position.new_zeros(len(self.position), 0)
        return self.rigid.shares()[:, [segment.number for segment in living(self.rigid.segmentation)]]

    def begin(self) -> Iterator[str]:
        """Give the residues the mean map's scale and sharpness, and see where the latents start."""
        assert self.mean is not None  # so checked
        density, weight = self.mean.to(self.position), self.amplitude
        cloud, reached = cloud_of_atoms(self.beads, weight, density, self.pixel_size, resolution=self.finest)
        self.amplitude.copy_(cloud.amplitude[0])
        self.blob_width.copy_(cloud.width[0, 0])
        beads = f"{len(weight)} {'residues' if self.bead_point is None else 'atoms'}"
        yield (
            f"neutral model: {beads}, {float(self.blob_width):.3g} Å wide: correlation {reached:.3f} in the "
            f"last band of the mean map, to {self.finest:.1f} Å"
        )
        still = f"{int((~self.free).sum())} residues stay"
        if self.rigid is not None:
            most = self.rigid.segmentation.count
            if len(self.stages) > 1:
                self.rigid.begin()
            lines = self.rigid.segmentation
            yield (
                f"segments: {int(lines.used.sum())} to begin with, {most} at most to be left, on "
                f"{len(lines.sizes)} chains or parts; {still}"
            )
        elif self.motion is not None:
            yield f"normal modes: {self.settings.mode_count}; {still}"
        with torch.no_grad():
            structure = self.decode(self.position.new_zeros(1, self.latent_dim))
        yield from self.inference.begin(structure)

    def forward(self, batch: Batch, stage: Stage, progress: float) -> dict[str, Tensor]:
        """How the images differ, divergences and priors of the motion, a pixel of the plane each."""
        batch, terms = self.inference.posed(batch, stage)
        posterior = self.inference.opened(self.encode(batch), progress)
        z = posterior.sample()
        count, others = len(z), self.priors.looked_at(z)
        both, residual = self._motion(torch.cat([z, others]), sampled=self.training)
        motion, residual = both.of(slice(count)), None if residual is None else residual[:count]
        cloud = self._cloud(motion)
        batch = self.inference.coarse(batch, progress)
        terms[self.settings.score] = self._score(cloud, batch).mean() / float(batch.disk.weight.sum())
        position = cloud.position if self.bead_point is None else motion.place(self.position)
        trace = both.of(slice(count, None)).place(self.priors.trace)
        terms |= self._priors(position, trace, motion.occupancy, residual, batch)
        return terms | self.inference.prior(posterior, batch.disk, progress)

    def review(self, stage: Stage, survey: Survey) -> list[str]:
        """How many segments are left, which residues they hold, and what the encoder sees from here on.

        After the last two stages segments are merged that move alike, or that the images do not tell apart;
        before them motions are not yet what they will be. Before the last one they are parted where images
        ask for it.
        """
        lines = []
        if self.rigid is not None:
            misfit = self._unlikely if stage == self.stages[-1] else self._misfit
            lines = review_segments(
                self, self.rigid, survey, resolution=stage.resolution, position=self.position,
                limit=self.settings.merge, particles=self.particles,
                misfit=misfit if stage in self.stages[-2:] else None,
            )  # fmt: skip
            if stage in self.stages[-2:-1]:
                lines += part_segments(
                    self, self.rigid, survey, resolution=stage.resolution, position=self.position,
                    particles=self.particles, misfit=self._misfit,
                )  # fmt: skip
        if stage != self.stages[-1]:
            lines += self.inference.review(stage, survey, self.decode)
        elif self.polish is not None:
            lines.append(self.polish.begin(self.encode, survey, resolution=stage.resolution))
        return lines

    def _misfit(
        self, batch: Batch, z: Float[Tensor, "b d"], further: Further | None = None
    ) -> Float[Tensor, " b"]:
        """Minus the logarithm of the images' likelihood at latents, up to a constant.

        ``further`` displaces what scatters.
        """
        motion = self.residue_motion(z)
        cloud = self._cloud(motion)
        if further is not None:
            cloud = replace(cloud, position=cloud.position + further(motion, self.beads, self.bead_point))
        return self._score(cloud, batch)

    def _unlikely(self, batch: Batch, z: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """What :meth:`_misfit` says, and what clashes cost which no training will undo."""
        return self._misfit(batch, z) + self.priors.clashing(self.residue_motion(z))

    def _score(self, cloud: Gaussians, batch: Batch) -> Float[Tensor, " b"]:
        """How each image differs from its projection, in nats."""
        compared = correlation_score if self.settings.score == "correlation" else whitened_likelihood
        power = self.noise.at(batch.disk, batch.group)
        return compared(render_batch(cloud, batch), batch.image, power=power, disk=batch.disk)

    def _cloud(self, motion: ResidueMotion) -> Gaussians:
        """What scatters, where residues move it; all images share what does not depend on them."""
        neutral, amplitude = self.neutral, self.amplitude[None]
        if "scale" in neutral:
            amplitude = amplitude * neutral["scale"].exp()
        width = (self.blob_width * neutral["width"].exp()).expand_as(amplitude)
        if self.settings.occupancy:
            there = motion.occupancy if self.bead_point is None else motion.occupancy[:, self.bead_point]
            amplitude = amplitude * there
        return Gaussians(motion.place(self.beads, self.bead_point), amplitude, width)

    def _motion(
        self, z: Float[Tensor, "v d"], *, sampled: bool
    ) -> tuple[ResidueMotion, Float[Tensor, "v g 3"] | None]:
        """Motions of the residues, and what of their shifts (Å) is that of single ones."""
        if self.motion is None:
            return ResidueMotion.none(len(z), self.position), None
        motion: ResidueMotion = self.motion(z, self.position, sampled=sampled)
        if self.residual is None:
            return motion, None
        small: Tensor = self.residual(z, self.position).displacement * self.free[:, None]
        return replace(motion, shift=motion.shift + small), small

    def _priors(
        self,
        position: Float[Tensor, "v g 3"],
        trace: Float[Tensor, "w g 3"],
        occupancy: Float[Tensor, "v g"],
        residual: Float[Tensor, "v g 3"] | None,
        batch: Batch,
    ) -> dict[str, Tensor]:
        """Costs of the motion, an image each, and of the segments, once for all, a pixel of the plane."""
        settings, pixels = self.settings, float(batch.disk.weight.sum())
        if self.motion is None:
            return {}
        count = 0 if self.rigid is None else self.rigid.segmentation.count
        costs = self.priors(position, trace=trace, occupancy=occupancy, segments=count, residual=residual)
        if self.rigid is not None and settings.segments_beta and self.rigid.segmentation.learned:
            costs["segments"] = settings.segments_beta * self.rigid.segmentation.divergence() / self.particles
        return {name: cost / pixels for name, cost in costs.items()}
