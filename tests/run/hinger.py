"""A method whose hinge is known, and finished runs of it: adenylate kinase whose end turns about an axis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

import trimorph.data
from methods.untrained import Untrained
from run.finished_run import finish
from trimorph.core.gaussians import Gaussians
from trimorph.core.noise import NoiseModel
from trimorph.core.rigid_blend import turn_quaternion
from trimorph.core.rotations import vector_to_matrix
from trimorph.data.open import ParticleInput
from trimorph.data.residues import Residues, read_residues
from trimorph.data.template import Template
from trimorph.methods.base import Ingredient, Problem
from trimorph.methods.registry import get_method
from trimorph.methods.structure_method import ResidueMotion, RigidMotion, Segment, StructureMethod
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.start import StartSettings
from trimorph.training.latents import Latents
from trimorph.training.settings import TrainingSettings

ADK = Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb"
BOX, PIXEL_SIZE = 24, 4.0
MIDDLE = np.full(3, BOX // 2 * PIXEL_SIZE)
BOUNDARY = 130
"""The first residue of 214 that turns."""

AXIS, PIVOT = np.array([0.6, 0.0, -0.8]), np.array([3.0, -7.0, 5.0])
"""Of the hinge, in Å about the origin voxel."""


@dataclass(frozen=True)
class HingerSettings:
    """Settings of the hinger."""

    components: int = 2
    """Latent components."""
    segments: bool = True
    """Whether it says which segments turn."""


class Hinger(Untrained, StructureMethod):
    """What is behind BOUNDARY turns by z1 radians about AXIS through PIVOT; half of it is gone at z2 = 1."""

    Settings: ClassVar[type[HingerSettings]] = HingerSettings

    def __init__(self, settings: HingerSettings, problem: Problem) -> None:
        super().__init__(settings, problem)
        assert problem.points is not None
        self.register_buffer("position", problem.points[:, :3].clone(), persistent=False)
        self.weight = problem.points[:, 3]
        self.turns = torch.arange(len(self.position)) >= BOUNDARY - 1

    @classmethod
    def wants(cls, settings: HingerSettings) -> frozenset[Ingredient]:
        return frozenset({"points", "chain"})

    def segments(self) -> tuple[Segment, ...]:
        first, count = BOUNDARY - 1, len(self.position)
        whole = (
            Segment(0, 0, 1, first, tuple(range(first)), (0.0, 1.5)),
            Segment(1, 0, first + 1, count, tuple(range(first, count)), (1.5, 0.0)),
        )
        return whole if self.settings.segments else ()

    def segment_motion(self, z: Float[Tensor, "v d"]) -> RigidMotion:
        motion, some = self._halves(z), slice(2 if self.settings.segments else 0)
        return RigidMotion(
            motion.turn[:, some], motion.shift[:, some], motion.centre[some], motion.occupancy[:, some]
        )

    def _halves(self, z: Float[Tensor, "v d"]) -> RigidMotion:
        centre = torch.stack([self.position[~self.turns].mean(0), self.position[self.turns].mean(0)])
        turn = torch.zeros(len(z), 2, 3)
        turn[:, 1] = z[:, :1] * torch.tensor(AXIS, dtype=torch.float32)
        arm = centre - torch.tensor(PIVOT, dtype=torch.float32)
        shift = torch.einsum("vsij,sj->vsi", vector_to_matrix(turn), arm) - arm
        there = torch.stack([torch.ones(len(z)), 1 - 0.5 * z[:, 1]], dim=1)
        return RigidMotion(turn, shift, centre, there)

    def residue_motion(self, z: Float[Tensor, "v d"]) -> ResidueMotion:
        rigid, own = self._halves(z), self.turns.long()
        return ResidueMotion(
            turn_quaternion(rigid.turn).mT[:, :, own],
            rigid.centre[own],
            rigid.shift[:, own],
            rigid.occupancy[:, own],
        )

    def shares(self) -> Float[Tensor, "g s"]:
        whole = torch.stack([~self.turns, self.turns], dim=1).float()
        return whole if self.settings.segments else whole[:, :0]

    def decode(self, z: Float[Tensor, "v d"]) -> Gaussians:
        motion = self.residue_motion(z)
        place = motion.place(self.position)
        return Gaussians(place, self.weight * motion.occupancy, torch.full(place.shape[:2], 3.0))


def centred_structure(path: Path, *, at: np.ndarray) -> Residues:
    """Write adenylate kinase with its middle at a place, and read its residues."""
    template = Template.read(ADK)
    template.write(path, [template.position - template.position.mean(0) + at])
    return read_residues(path)


def structure_problem(residues: Residues, *, at: np.ndarray, count: int, **more: Any) -> Problem:
    """White noise, and a structure whose file has the origin voxel at a place."""
    points = np.column_stack([residues.position - at, residues.weight])
    return Problem(
        BOX,
        PIXEL_SIZE,
        count,
        36.0,
        NoiseModel(torch.ones(1, BOX // 2 + 1)),
        points=torch.as_tensor(points, dtype=torch.float32),
        chain=torch.as_tensor(residues.chains),
        **more,
    )


def write_structure_run(
    folder: Path,
    *,
    method: str,
    settings: Any,
    problem: Problem,
    latents: Latents,
    start: StartSettings,
) -> Run:
    """A finished run of a method, with parameters that are far from zero."""
    recipe = Recipe(
        method=method,
        data=ParticleInput(particles=folder / "particles.star"),
        settings=settings,
        training=TrainingSettings(batch_size=8),
        start=start,
    ).resolved()
    run = Run.create(folder / "run", recipe, provenance={})
    torch.manual_seed(0)
    model = get_method(method)(settings, problem)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    return finish(run, model, problem, latents)


def hinge_latents(count: int, *, spread: float = 0.3) -> Latents:
    """Angles of so many particles, far more spread than what is there of the end."""
    rng = np.random.default_rng(0)
    mean = (rng.normal(size=(count, 2)) * [spread, 0.01]).astype(np.float32)
    return Latents(np.arange(count), mean, np.zeros((count, 2, 2), np.float32))


def write_hinge_run(folder: Path, *, at: np.ndarray = MIDDLE, map_file: Path | None = None) -> Run:
    """A finished run on a file whose coordinates have the origin voxel at a place."""
    residues = centred_structure(folder / "adk.pdb", at=at)
    return write_structure_run(
        folder,
        method="hinger",
        settings=HingerSettings(),
        problem=structure_problem(residues, at=at, count=300),
        latents=hinge_latents(300),
        start=StartSettings(structure=folder / "adk.pdb", map=map_file),
    )
