"""What moves the residues of the method `segments`, as its settings say."""

from __future__ import annotations

from trimorph.methods.base import Problem
from trimorph.methods.cloud_decoder import CloudDecoder
from trimorph.methods.mode_motion import ModeMotion
from trimorph.methods.segment_motion import SegmentMotion
from trimorph.methods.segment_problem import moving_residues, structure_of
from trimorph.methods.segment_settings import SegmentsSettings

ANCHORS = 64
"""Points, at most, whose motions displace the residues around them (residual)."""


def motion_of(settings: SegmentsSettings, problem: Problem) -> SegmentMotion | ModeMotion:
    """What moves the residues."""
    if settings.decoder == "modes":
        return ModeMotion(
            problem,
            settings.latent_dim,
            moving=moving_residues(problem),
            modes=settings.mode_count,
            width=settings.width,
            layers=settings.layers,
        )
    return SegmentMotion(
        problem,
        settings.latent_dim,
        most=settings.segments,
        sharpness=settings.sharpness,
        occupancy=settings.occupancy,
        width=settings.width,
        layers=settings.layers,
    )


def residual_of(settings: SegmentsSettings, problem: Problem) -> CloudDecoder | None:
    """What displaces single residues on top."""
    if settings.residual == "none":
        return None
    points, _ = structure_of(problem)
    free = points[moving_residues(problem), :3]
    decoder = CloudDecoder(
        settings.residual,
        settings.latent_dim,
        gaussians=len(points),
        anchors=min(ANCHORS, len(free)),
        width=settings.width,
        layers=settings.layers,
        radius=problem.radius,
    )
    decoder.settle(free)
    return decoder
