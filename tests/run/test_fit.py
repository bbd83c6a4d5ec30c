"""A structure is placed in a map: known truth, any start, any frame; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import trimorph.data
from trimorph.core.errors import InputError
from trimorph.core.rotations import random_rotations
from trimorph.data.mrc import write_map
from trimorph.data.scattering import AtomicDensity
from trimorph.data.structure import read_structure
from trimorph.data.template import Template
from trimorph.run import rigid_fit
from trimorph.run.fit import Fit, fit

ADK = Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb"
BOX, PIXEL_SIZE = 32, 3.2
CORNER = (-20.0, 35.0, 100.0)


def density_of(turn: NDArray[np.float64] | None = None) -> NDArray[np.float32]:
    """Adenylate kinase at 10 Å, its atoms' mean at the origin voxel."""
    atoms = read_structure(ADK)[0]
    if turn is not None:
        atoms = atoms.move((atoms.position - atoms.position.mean(0)) @ turn.T)
    return AtomicDensity.of(atoms, resolution=10.0).voxels(BOX, PIXEL_SIZE)[0].numpy()


def in_map(corner: tuple[float, float, float] = CORNER) -> NDArray[np.float64]:
    """Where every atom of the file is in that map's frame."""
    position = Template.read(ADK).position
    centre = read_structure(ADK)[0].position.mean(0)
    return position - centre + np.asarray(corner) + (BOX // 2) * PIXEL_SIZE


def turned(folder: Path, seed: int) -> Path:
    """The structure turned at random and somewhere else."""
    template = Template.read(ADK)
    turn = random_rotations(1, generator=torch.Generator().manual_seed(seed))[0].numpy()
    template.write(folder / "start.cif", [template.position @ turn.T + 500 * (seed - 1)])
    return folder / "start.cif"


@pytest.fixture(scope="module")
def adk_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "adk.mrc"
    write_map(path, density_of(), PIXEL_SIZE, origin=CORNER)
    return path


@pytest.fixture
def few_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the turns, 26 degrees apart, for the time that the rest takes."""
    monkeypatch.setattr(rigid_fit, "ROTATIONS", 800)


def mistake(position: NDArray[np.float64], truth: NDArray[np.float64]) -> tuple[float, float]:
    """Angle in degrees and shift in Å that take positions to the truth."""
    a, b = position - position.mean(0), truth - truth.mean(0)
    u, _, v = np.linalg.svd(a.T @ b)
    cosine = (np.trace(u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v) - 1) / 2
    return float(np.rad2deg(np.arccos(min(cosine, 1)))), float(
        np.linalg.norm(position.mean(0) - truth.mean(0))
    )


def test_a_structure_is_found_from_any_start(adk_map: Path, tmp_path: Path) -> None:
    start, target = turned(tmp_path, 2), tmp_path / "fitted.cif"
    told: list[tuple[int, int]] = []
    found = fit(start, adk_map, target, progress=lambda done, total: told.append((done, total)))
    angle, shift = mistake(Template.read(target).position, in_map())
    assert angle < 1
    assert shift < 0.3
    assert found.correlation > 0.97 > found.before + 0.5
    assert found.correlation - found.next_best > 0.1
    assert found.correlation - found.mirror > 0.03
    assert found.outside == 0
    assert not any(line.startswith("note") for line in found.lines)
    assert told[-1][0] == told[-1][1]
    assert (tmp_path / "fitted.png").stat().st_size > 10_000
    np.testing.assert_allclose(found.move(Template.read(start).position), in_map(), atol=0.9)
    with pytest.raises(FileExistsError, match=r"fitted.cif: the file exists already"):
        fit(start, adk_map, target)


@pytest.mark.usefixtures("few_turns")
def test_a_wrong_hand_is_noticed_in_a_box_that_is_no_cube(tmp_path: Path) -> None:
    mirrored = density_of()[::-1][2:]
    write_map(tmp_path / "mirrored.mrc", mirrored, PIXEL_SIZE)
    found = fit(ADK, tmp_path / "mirrored.mrc", resolution=9.6)
    assert found.mirror > 0.97
    assert found.mirror > found.correlation + 0.03
    assert any(line.startswith("note: the mirrored map fits better") for line in found.lines)


@pytest.mark.usefixtures("few_turns")
def test_a_fitted_structure_stays_where_it_is(tmp_path: Path) -> None:
    """Two copies about a twofold axis: either place is as good, and the file's own is kept."""
    half = np.diag([-1.0, -1.0, 1.0])
    both = density_of() * 0
    atoms = read_structure(ADK)[0]
    for turn in (np.eye(3), half):
        place = (atoms.position - atoms.position.mean(0) + [26.0, 0, 0]) @ turn.T
        both += (
            AtomicDensity.of(atoms.move(place), resolution=10.0, origin=np.zeros(3))
            .voxels(44, 3.2)[0, 6:-6, 6:-6, 6:-6]
            .numpy()
        )
    write_map(tmp_path / "two.mrc", both, PIXEL_SIZE)
    template = Template.read(ADK)
    middle = (BOX // 2) * PIXEL_SIZE
    place = (template.position - atoms.position.mean(0) + [26.0, 0, 0]) @ half.T + middle
    template.write(tmp_path / "second.cif", [place])
    found = fit(tmp_path / "second.cif", tmp_path / "two.mrc")
    assert np.rad2deg(found.angle) < 3
    assert np.linalg.norm(found.shift) < 1
    assert found.next_best == pytest.approx(found.correlation, abs=0.02)
    assert np.rad2deg(found.next_turn) == pytest.approx(180, abs=5)
    assert any(line.startswith("note: the next best place is as good") for line in found.lines)


@pytest.mark.usefixtures("few_turns")
def test_another_molecule_does_not_fit(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal((24, 24, 24)).astype(np.float32)
    write_map(tmp_path / "noise.mrc", noise, 4.0)
    with pytest.raises(
        InputError,
        match=r"found no place in .*noise.mrc where it correlates to more than 0\.[0-2]\d at 12 Å; wanted",
    ):
        fit(ADK, tmp_path / "noise.mrc", tmp_path / "fitted.cif")
    assert not (tmp_path / "fitted.cif").exists()


def test_what_is_refused_before_the_search(adk_map: Path, tmp_path: Path) -> None:
    write_map(tmp_path / "zero.mrc", np.zeros((8, 8, 8)), 3.0)
    with pytest.raises(InputError, match=r"zero.mrc: found the value 0 in every voxel; wanted a map"):
        fit(ADK, tmp_path / "zero.mrc")
    with pytest.raises(InputError, match=r"reaches \d\d Å from its centre, for a map of 16 x 16 x 16 Å"):
        fit(ADK, adk_map, pixel_size=0.5)
    with pytest.raises(InputError, match=r"found a resolution of 5 Å for voxels of 3.2 Å; wanted 6.4 Å"):
        fit(ADK, adk_map, resolution=5.0)
    ligand = "HETATM    1  PA  ATP A   1       0.000   0.000   0.000  1.00 10.00           P\n"
    (tmp_path / "ligand.pdb").write_text(ligand + "END\n")
    with pytest.raises(InputError, match=r"ligand.pdb: found 0 residues of protein or nucleic acid among 1"):
        fit(tmp_path / "ligand.pdb", adk_map)


@pytest.mark.usefixtures("few_turns")
def test_haemoglobin_is_put_back_where_it_was_deposited(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    """EMD-3488 and its model: two of the four ways to lay the tetramer in are the same to any map."""
    path, emd = shared("structures/5ni1_updated.cif"), shared("maps/emd_3488.mrc")
    template = Template.read(path)
    turn = random_rotations(1, generator=torch.Generator().manual_seed(5))[0].numpy()
    template.write(tmp_path / "start.cif", [template.position @ turn.T + 300])
    found: Fit = fit(tmp_path / "start.cif", emd)
    moved = found.move(template.position @ turn.T + 300)
    twice = np.diag([-1.0, -1.0, 1.0])
    centre = template.position.mean(0)
    ways = [template.position, (template.position - centre) @ twice.T + centre]
    angle, shift = min(mistake(moved, way) for way in ways)
    assert angle < 1
    assert shift < 0.5
