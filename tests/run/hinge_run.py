"""A finished run of the known hinge on voxel-simulated images: it moves as the particles do, or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import trimorph.data
from methods.known_hinge import KnownHingeSettings
from methods.made_structure import adenylate_kinase, turned
from run.finished_run import finish
from trimorph.data.mrc import write_map
from trimorph.data.open import ParticleInput, open_particles
from trimorph.data.residues import Residues
from trimorph.data.scattering import AtomicDensity
from trimorph.data.simulate import simulate
from trimorph.data.template import Template
from trimorph.methods.base import Problem
from trimorph.methods.registry import get_method
from trimorph.run.provenance import provenance
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.start import StartSettings
from trimorph.training.latents import Latents
from trimorph.training.settings import TrainingSettings

BOX, PIXEL_SIZE = 24, 4.5
ANGLES = np.linspace(-0.6, 0.6, 8)


def write_structure(folder: Path) -> Path:
    """Adenylate kinase as it is at z = 0, in the frame of the maps."""
    template = Template.read(Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb")
    middle = BOX // 2 * PIXEL_SIZE
    template.write(folder / "adk.pdb", [template.position - _centre() + middle])
    return folder / "adk.pdb"


def _centre() -> np.ndarray:
    from trimorph.data.structure import read_structure

    path = Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb"
    return read_structure(path)[0].position.mean(0)


def write_particles(folder: Path, *, count: int, snr: float) -> tuple[Path, np.ndarray]:
    """A star file, and the angle of each particle."""
    names = []
    for number, angle in enumerate(ANGLES):
        atoms = AtomicDensity.of(turned(adenylate_kinase(), float(angle)), resolution=9.0, origin=np.zeros(3))
        names.append(folder / f"state_{number}.mrc")
        write_map(names[-1], atoms.voxels(BOX, PIXEL_SIZE)[0].numpy(), PIXEL_SIZE)
    made = simulate(names, folder / "particles", count=count, snr=snr, states=False)
    return made.star, ANGLES[made.truth.state]


def write_hinge_run(
    folder: Path, star: Path, structure: Path, *, latents: np.ndarray, scale: float = 1.0
) -> Run:
    """A finished run whose structure turns by ``scale`` times the latents."""
    recipe = Recipe(
        method="hinge",
        data=ParticleInput(particles=star),
        settings=KnownHingeSettings(scale),
        training=TrainingSettings(batch_size=32, precision="float32"),
        start=StartSettings(structure=structure),
    ).resolved()
    stack = open_particles(recipe.data)
    residues = Residues.of(adenylate_kinase())
    points = np.column_stack([residues.position, residues.weight])
    problem = Problem(
        stack.box,
        stack.pixel_size,
        len(stack),
        stack.radius,
        stack.noise,
        window_share=stack.window_share,
        points=torch.as_tensor(points, dtype=torch.float32),
        chain=torch.as_tensor(residues.chains),
    )
    record = provenance([star, structure], stack.table.stacks, seed=0)
    run = Run.create(folder, recipe, provenance=record)
    mean = np.asarray(latents, np.float32)[:, None]
    found = Latents(np.arange(len(mean)), mean, np.zeros((len(mean), 1, 1), np.float32))
    return finish(run, get_method("hinge")(recipe.settings, problem), problem, found)
