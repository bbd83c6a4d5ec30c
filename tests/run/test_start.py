"""A map that the user gives to start from: its grid, its scale, and maps that are another molecule's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import trimorph
from methods.made_images import PIXEL_SIZE, cloud
from trimorph.core.errors import InputError
from trimorph.core.voxel_grid import resample
from trimorph.data.mrc import write_map
from trimorph.methods.gaussians import GaussiansSettings
from trimorph.run.start import StartSettings, starting_map

BOX = 24
OWN = cloud(BOX, (0.0, 0.0, 0.0), (5.0, 1.0, -2.0), (-2.0, 4.0, 3.0), (1.0, -5.0, 2.0))[0]


def test_another_grid_and_scale_are_taken_to_those_of_the_particles(tmp_path: Path) -> None:
    other = resample(OWN, PIXEL_SIZE, box=36, pixel_size=PIXEL_SIZE / 1.5)
    write_map(tmp_path / "map.mrc", 250 * other.numpy(), PIXEL_SIZE / 1.5)
    noise = 0.01 * np.random.default_rng(0).standard_normal((BOX, BOX, BOX)).astype(np.float32)
    found, said = starting_map(tmp_path / "map.mrc", OWN.numpy() + noise, pixel_size=PIXEL_SIZE)
    np.testing.assert_allclose(found, OWN.numpy(), atol=0.02)
    assert "36 voxels of 2.667 Å, taken to 24 of 4 Å and times 0.004" in said


@pytest.mark.parametrize("wrong", ["mirrored", "moved"])
def test_a_map_that_does_not_lie_on_the_particles(tmp_path: Path, wrong: str) -> None:
    other = OWN.flip(0) if wrong == "mirrored" else torch.roll(OWN, (6, 5), (0, 1))
    write_map(tmp_path / "map.mrc", other.numpy(), PIXEL_SIZE)
    with pytest.raises(
        InputError, match=r"map.mrc: found shells that correlate to .* wanted 0.5.*centre, hand"
    ):
        starting_map(tmp_path / "map.mrc", OWN.numpy(), pixel_size=PIXEL_SIZE)


def test_a_map_that_is_no_cube(tmp_path: Path) -> None:
    write_map(tmp_path / "map.mrc", OWN.numpy()[:20], PIXEL_SIZE)
    with pytest.raises(InputError, match="found 20 x 24 x 24 voxels; wanted a cube"):
        starting_map(tmp_path / "map.mrc", OWN.numpy(), pixel_size=PIXEL_SIZE)


def test_a_map_that_is_not_there_is_said_before_anything_is_made(tmp_path: Path) -> None:
    made = trimorph.simulate("linear", tmp_path / "stack", count=4, box=32, pixel_size=6.0, snr=1.0)
    recipe = trimorph.Recipe(
        method="gaussians",
        data=trimorph.ParticleInput(particles=made.star),
        settings=GaussiansSettings(latent_dim=0),
        training=trimorph.TrainingSettings(),
        start=StartSettings(map=tmp_path / "nothing.mrc"),
    )
    with pytest.raises(FileNotFoundError, match=r"nothing.mrc: found no such file; wanted an MRC file"):
        trimorph.train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
