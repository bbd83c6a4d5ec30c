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
from trimorph.run.start import StartSettings, starting_map, starting_residues

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


ADK = Path(trimorph.__file__).parent / "data" / "examples" / "adk_open.pdb"


def test_a_structure_without_polymer_has_no_segments(tmp_path: Path) -> None:
    lines = [line for line in ADK.read_text().splitlines() if line.startswith("ATOM")][:3]
    ions = ["HETATM" + line[6:12] + "ZN    ZN A" + line[22:76] + "ZN" for line in lines]
    (tmp_path / "ions.pdb").write_text("\n".join([*ions, "END\n"]))
    with pytest.raises(InputError, match=r"ions.pdb: found no protein or nucleic acid among its .*\(ZN\)"):
        starting_residues(StartSettings(structure=tmp_path / "ions.pdb"), frozenset({"points", "chain"}))
    found = starting_residues(StartSettings(structure=tmp_path / "ions.pdb"), frozenset({"points"}))
    assert found is not None
    assert len(found) == 1  # Gaussians do without chains


def test_beads_of_atoms_need_a_method_that_has_them() -> None:
    start = StartSettings(structure=ADK, beads="atoms")
    assert starting_residues(start, frozenset({"points", "chain", "beads"})) is not None
    with pytest.raises(InputError, match="Found --beads atoms without a structure or for a method whose"):
        starting_residues(start, frozenset({"points"}))
    with pytest.raises(InputError, match="Found --beads atoms without a structure"):
        starting_residues(StartSettings(beads="atoms"), frozenset({"points", "chain", "beads"}))
