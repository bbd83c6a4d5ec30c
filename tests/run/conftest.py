"""Small particle files, and a toy method in the registry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.toy import ToyImages, ToySettings
from trimorph.data.mrc import write_stack
from trimorph.data.open import ParticleInput
from trimorph.methods import registry
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.train import train
from trimorph.training.settings import TrainingSettings

HEADER = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnImagePixelSize #2
_rlnImageSize #3
_rlnVoltage #4
_rlnSphericalAberration #5
_rlnAmplitudeContrast #6
1 4.0 16 300.0 2.7 0.1

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnAngleRot #3
_rlnAngleTilt #4
_rlnAnglePsi #5
_rlnOriginXAngst #6
_rlnOriginYAngst #7
_rlnDefocusU #8
_rlnDefocusV #9
_rlnDefocusAngle #10
_rlnPhaseShift #11
"""


@pytest.fixture(autouse=True)
def _toy_is_a_method(monkeypatch):
    monkeypatch.setitem(registry.METHODS, "toy", "training.toy:Toy")


def write_particles(folder: Path, images: ToyImages) -> Path:
    """The toy's images as a stack and a star file."""
    pixels = images.disk.inverse(images.image).numpy()
    write_stack(folder / "images.mrcs", pixels, images.pixel_size)
    rows = [
        f"{i + 1:06d}@images.mrcs 1 0 0 0 0 0 {defocus:.2f} {defocus:.2f} 0 0"
        for i, defocus in enumerate(np.asarray(images.ctf.defocus_u))
    ]
    (folder / "particles.star").write_text(HEADER + "\n".join(rows) + "\n")
    return folder / "particles.star"


def toy_recipe(star: Path, *, epochs: int = 4, **training) -> Recipe:
    return Recipe(
        method="toy",
        data=ParticleInput(particles=star, diameter=40.0, window=False),
        settings=ToySettings(epochs=epochs, latents="table", learning_rate=0.05, resolution=20.0),
        training=TrainingSettings(**{"batch_size": 20, "checkpoint_every": 2, **training}),
    )


@pytest.fixture(scope="session")
def star(tmp_path_factory) -> Path:
    return write_particles(tmp_path_factory.mktemp("particles"), ToyImages(count=120, box=16))


@pytest.fixture(scope="session")
def trained(star, tmp_path_factory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "toy", "training.toy:Toy")
        return train(
            toy_recipe(star, epochs=60, checkpoint_every=20), tmp_path_factory.mktemp("runs") / "run"
        )
